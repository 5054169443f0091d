import { patient } from "../es/patient";
import { problems } from "../es/problems";
import { shared } from "../es/shared";

export default { ...shared, ...problems, ...patient };
