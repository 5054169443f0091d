import axe from "axe-core";
import { expect } from "vitest";

/**
 * Nothing for axe to find, no rule disabled. jsdom lays nothing out, so colours and sizes are examined by
 * the photographer in a real browser; a fragment of a page has no landmarks of its own to be held against it.
 */
export async function expectAccessible(container: Element): Promise<void> {
  const { violations } = await axe.run(container, { resultTypes: ["violations"] });
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`)).toEqual([]);
}
