import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const css = readFileSync(join(import.meta.dirname, "tokens.css"), "utf8");

type Roles = Record<string, string>;

/** The custom properties of the block that begins with `selector`. */
function block(selector: string): Roles {
  const from = css.indexOf(selector);
  if (from < 0) throw new Error(`no block ${selector}`);
  const body = css.slice(css.indexOf("{", from) + 1, css.indexOf("}", from));
  return Object.fromEntries([...body.matchAll(/--([\w-]+):\s*([^;]+);/g)].map(([, name, value]) => [name, value]));
}

const light = block(":root {");
const byPreference = block(':root:not([data-theme="light"]) {');
const dark = block('[data-theme="dark"],');
const call = { ...dark, ...block('[data-theme="call"] {') };
const themes: Record<string, Roles> = { light, dark: { ...light, ...dark }, call: { ...light, ...call } };

/** Relative luminance of an OKLCH colour (CSS Color 4 §9.3; WCAG 2.2 "relative luminance"). */
function luminance(colour: string): number {
  const parts = /^oklch\(([\d.]+) ([\d.]+) ([\d.]+)\)$/.exec(colour);
  if (parts === null) throw new Error(`not an opaque OKLCH colour: ${colour}`);
  const [lightness, chroma, hue] = parts.slice(1).map(Number) as [number, number, number];
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const clip = (channel: number) => Math.min(1, Math.max(0, channel));
  const red = clip(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s);
  const green = clip(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s);
  const blue = clip(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [bright, dim] = [luminance(one), luminance(other)].sort((x, y) => y - x) as [number, number];
  return (bright + 0.05) / (dim + 0.05);
}

const surfaces = ["surface", "surface-raised", "surface-sunken", "accent-wash"];
const text: [string, string[]][] = [
  ["text", [...surfaces, "good-wash", "attention-wash", "danger-wash"]],
  ["text-quiet", [...surfaces, "attention-wash", "danger-wash", "good-wash"]],
  ["accent", surfaces],
  ["good", ["surface", "surface-raised", "good-wash"]],
  ["attention", ["surface", "surface-raised", "surface-sunken", "attention-wash", "accent-wash"]],
  ["danger", ["surface", "surface-raised", "surface-sunken", "danger-wash", "attention-wash", "accent-wash"]],
  ["accent-text", ["accent", "accent-strong"]],
  ["danger-fill-text", ["danger-fill", "danger-fill-strong"]],
  ["band-text", ["band"]],
  ["band-quiet", ["band"]],
];
const controls: [string, string[]][] = [
  ["control-line", ["surface", "surface-raised", "accent-wash"]],
  ["accent", ["surface", "surface-raised"]],
  ["danger-fill", ["surface", "surface-raised"]],
  ["focus", ["surface", "surface-raised", "focus-gap"]],
  ["good", ["surface", "surface-raised", "line"]],
];

describe.each(Object.keys(themes))("in the %s theme", (theme) => {
  const roles = themes[theme] as Roles;
  const value = (role: string) => {
    const found = roles[role];
    if (found === undefined) throw new Error(`no role ${role}`);
    return found;
  };

  it.each(text.flatMap(([role, grounds]) => grounds.map((ground) => [role, ground] as const)))(
    "%s reads on %s",
    (role, ground) => expect(contrast(value(role), value(ground))).toBeGreaterThanOrEqual(4.5),
  );

  it("text reads as well as paper on the surfaces it is mostly on", () => {
    for (const ground of ["surface", "surface-raised"]) {
      expect(contrast(value("text"), value(ground))).toBeGreaterThanOrEqual(7);
    }
  });

  it.each(controls.flatMap(([role, grounds]) => grounds.map((ground) => [role, ground] as const)))(
    "%s is seen on %s",
    (role, ground) => expect(contrast(value(role), value(ground))).toBeGreaterThanOrEqual(3),
  );
});

it("has one dark theme, whoever asks for it", () => {
  expect(byPreference).toEqual(dark);
});

it("knows black from white", () => {
  expect(contrast("oklch(0 0 0)", "oklch(1 0 0)")).toBeCloseTo(21, 1);
  expect(contrast("oklch(0.6 0 0)", "oklch(1 0 0)")).toBeLessThan(5);
});
