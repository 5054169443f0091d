import { oversight } from "../es/oversight";
import { shared } from "../es/shared";
import { staff } from "../es/staff";
import { systems } from "../es/systems";
import { trail } from "../es/trail";

export default { ...shared, ...staff, ...systems, ...trail, ...oversight };
