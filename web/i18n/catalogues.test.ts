import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "vite";
import { describe, expect, it } from "vitest";
import clinicEn from "./packs/clinic.en";
import clinicEs from "./packs/clinic.es";
import patientEn from "./packs/patient.en";
import patientEs from "./packs/patient.es";
import staffEn from "./packs/staff.en";
import staffEs from "./packs/staff.es";
import { format } from "./words";

type Words = Record<string, string>;
const packs: [string, Words, Words][] = [
  ["patient", patientEn, patientEs],
  ["clinic", clinicEn, clinicEs],
  ["staff", staffEn, staffEs],
];
const holes = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name).sort();

describe.each(packs)("the %s words", (_app, english, spanish) => {
  it("are the same in both languages", () => {
    expect(Object.keys(spanish).sort()).toEqual(Object.keys(english).sort());
  });

  it("have the same values to fill in", () => {
    for (const [key, text] of Object.entries(english)) expect([key, ...holes(spanish[key] ?? "")]).toEqual([key, ...holes(text)]);
  });

  it("are not empty, and not left in English", () => {
    // What is one word in both languages.
    const alike = /^(time\.(seconds|minutes|hours|hours-short|other|under-minute-short)|common\.no|call\.chat|chat\.title)$/;
    for (const [key, text] of Object.entries(english)) {
      expect(text.trim(), key).not.toBe("");
      expect(spanish[key]?.trim(), key).not.toBe("");
      if (!alike.test(key)) expect(spanish[key], key).not.toBe(text);
    }
  });

  it("have both plural forms", () => {
    for (const key of Object.keys(english)) {
      if (key.endsWith("_one")) expect(english).toHaveProperty([key.replace(/_one$/, "_other")]);
    }
  });
});

it("the staff's pages have words for everything that an account may do", () => {
  // What a seat in a visit may do stands in no account.
  const ofSeats = ["report", "connect-media", "check-in", "leave", "chat", "share", "direct-share", "lead", "stream-device", "read-own-access"];
  const described = JSON.parse(readFileSync(join(import.meta.dirname, "../../docs/openapi.json"), "utf8"));
  const actions: string[] = described.components.schemas.Action.oneOf.map((one: { const: string }) => one.const);
  expect(actions.length).toBeGreaterThan(20);
  const wordless = actions.filter((action) => !ofSeats.includes(action) && !(`right.${action}` in staffEn));
  expect(wordless).toEqual([]);
});

describe("saying", () => {
  it("fills in values and picks the plural", () => {
    const words = { "a.b_one": "{{count}} person", "a.b_other": "{{count}} people", plain: "{{name}}, {{name}}" };
    expect(format(words, "en", "a.b", { count: 1 })).toBe("1 person");
    expect(format(words, "en", "a.b", { count: 0 })).toBe("0 people");
    expect(format(words, "es", "a.b", { count: 2 })).toBe("2 people");
    expect(format(words, "en", "plain", { name: "$& {{x}}" })).toBe("$& {{x}}, $& {{x}}");
  });

  it("shows the key rather than nothing", () => {
    expect(format({}, "en", "not.there")).toBe("not.there");
    expect(format({ hole: "{{gone}}" }, "en", "hole")).toBe("{{gone}}");
  });
});

const root = join(import.meta.dirname, "..");
const sources = ["patient", "clinician", "staff", "ui"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => /\.tsx?$/.test(path) && !/\.(test|spec)\./.test(path) && !path.includes("testing/"))
    .map((path) => join(folder, path)),
);

/** Every file that an app is made of. */
function reached(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const [, target = ""] of readFileSync(join(root, path), "utf8").matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
    const file = [".tsx", ".ts"].map((ending) => join(path, "..", target) + ending).find((one) => existsSync(join(root, one)));
    if (file !== undefined) reached(file, seen);
  }
  return seen;
}
const patientFiles = reached("patient/main.tsx");
const clinicFiles = reached("clinician/main.tsx");
const staffFiles = new Set(["sign-in", "join", "admin", "rooms", "account"].flatMap((page) => [...reached(`staff/${page}.main.tsx`)]));

interface Node {
  type: string;
  [key: string]: unknown;
}

function* nodes(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const item of value) yield* nodes(item);
  else if (typeof value === "object" && value !== null) {
    if ("type" in value && typeof value.type === "string") yield value as Node;
    for (const child of Object.values(value)) yield* nodes(child);
  }
}

describe.each(sources)("%s", (path) => {
  const tree = [...nodes(parseSync(path, readFileSync(join(root, path), "utf8")).program)];

  it("has no words of its own", () => {
    const spoken = tree.flatMap((node) => {
      if (node.type === "JSXText") return [String(node["value"])];
      const name = (node["name"] as Node | undefined)?.["name"];
      const literal = node["value"] as Node | null | undefined;
      if (node.type !== "JSXAttribute" || !["aria-label", "title", "placeholder", "alt", "label"].includes(String(name))) return [];
      return literal?.type === "Literal" ? [String(literal["value"])] : [];
    });
    // Names of keys on the keyboard are the same in every language.
    expect(spoken.filter((text) => /\p{L}/u.test(text) && text.trim() !== "Alt A")).toEqual([]);
  });

  it("says only what its app has words for", () => {
    const words = [
      ...(patientFiles.has(path) ? [patientEn] : []),
      ...(clinicFiles.has(path) ? [clinicEn] : []),
      ...(staffFiles.has(path) ? [staffEn] : []),
    ];
    expect(words, "some app uses this file").not.toEqual([]);
    const keys = tree.flatMap((node) => {
      const callee = node["callee"] as Node | undefined;
      const first = (node["arguments"] as Node[] | undefined)?.[0];
      return node.type === "CallExpression" && callee?.["name"] === "t" && first?.type === "Literal" ? [String(first["value"])] : [];
    });
    for (const key of keys) {
      for (const pack of words) expect(key in pack || `${key}_other` in pack, key).toBe(true);
    }
  });
});
