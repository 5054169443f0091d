import { oversight } from "../es/oversight";
import { shared } from "../es/shared";
import { staff } from "../es/staff";
import { trail } from "../es/trail";

export default { ...shared, ...staff, ...trail, ...oversight };
