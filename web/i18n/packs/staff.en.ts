import { oversight } from "../en/oversight";
import { shared } from "../en/shared";
import { staff } from "../en/staff";
import { systems } from "../en/systems";
import { trail } from "../en/trail";

export default { ...shared, ...staff, ...systems, ...trail, ...oversight };
