/** `/account`. */
import { AccountApp } from "./AccountApp";
import { start } from "./start";

void start(<AccountApp />, (session) => void session.resume());
