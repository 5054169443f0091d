/** `/join`, from an invitation's link. */
import { JoinApp } from "./JoinApp";
import { start } from "./start";

const secret = new URLSearchParams(location.hash.slice(1)).get("i");
// Out of the address before anything else: nobody reads it from the screen or the history.
history.replaceState(null, "", location.pathname);
void start(<JoinApp secret={secret} />);
