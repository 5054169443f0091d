/** `/sign-in`. */
import { SignInApp } from "./SignInApp";
import { start } from "./start";

void start(<SignInApp query={new URLSearchParams(location.search)} />);
