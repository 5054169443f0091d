/** `/rooms`. */
import { RoomsApp } from "./RoomsApp";
import { start } from "./start";

void start(<RoomsApp />, (session) => void session.resume());
