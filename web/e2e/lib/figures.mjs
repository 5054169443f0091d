/** Times measured on the way, printed as one JSON line at the end and kept in `out/figures.json`. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { OUT } from "./processes.mjs";

const figures = {};

/** Adds one measurement; several of a name become a list. */
export function figure(name, value) {
  (figures[name] ??= []).push(Number(value.toPrecision(4)));
}

export function printFigures() {
  const all = Object.fromEntries(Object.entries(figures).map(([name, list]) => [name, list.length > 1 ? list : list[0]]));
  writeFileSync(path.join(OUT, "figures.json"), `${JSON.stringify(all, null, 2)}\n`);
  console.log(`figures ${JSON.stringify(all)}`);
}
