import { clinic } from "../en/clinic";
import { problems } from "../en/problems";
import { shared } from "../en/shared";

export default { ...shared, ...problems, ...clinic };
