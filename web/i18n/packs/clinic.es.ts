import { clinic } from "../es/clinic";
import { problems } from "../es/problems";
import { shared } from "../es/shared";

export default { ...shared, ...problems, ...clinic };
