import { shared } from "../es/shared";
import { staff } from "../es/staff";

export default { ...shared, ...staff };
