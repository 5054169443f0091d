import { patient } from "../en/patient";
import { problems } from "../en/problems";
import { shared } from "../en/shared";

export default { ...shared, ...problems, ...patient };
