import { expect, test } from "vitest";
import { traceparent } from "./trace";

test("a page's trace is one, and another for each page", () => {
  const page = () => traceparent(() => crypto.randomUUID());
  expect(page()).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect(page()).not.toBe(page());
});
