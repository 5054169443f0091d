import { shared } from "../en/shared";
import { staff } from "../en/staff";

export default { ...shared, ...staff };
