/** `/admin`. */
import { AdminApp } from "./AdminApp";
import { start } from "./start";

void start(<AdminApp />, (session) => void session.resume());
