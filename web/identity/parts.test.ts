import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { problemOf } from "./problem";
import { homeOf, returnPath, signInPath } from "./return-path";

const HERE = "https://visits.example";

describe("where somebody goes on", () => {
  it("is a path of this origin", () => {
    expect(returnPath("/admin", HERE)).toBe("/admin");
    expect(returnPath("/clinic?room=2", HERE)).toBe("/clinic?room=2");
    expect(returnPath("/a/../admin", HERE)).toBe("/admin");
  });

  it.each([
    null,
    "",
    "admin",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example/admin",
    "javascript:alert(1)",
    "/\t/evil.example",
    "/\n/evil.example",
    " //evil.example",
    "/sign-in?to=/sign-in",
    "/join",
  ])("is not %j", (wanted) => {
    const path = returnPath(wanted, HERE);
    // Whatever is let through stays here.
    expect(path === null || new URL(path, HERE).origin === HERE).toBe(true);
    expect(path).toBeNull();
  });

  it("loses a fragment, where secrets can stand", () => {
    expect(returnPath("/clinic#k=secret", HERE)).toBe("/clinic");
  });

  it("comes back to where it left", () => {
    const path = signInPath("/admin?page=2", "expired");
    const query = new URL(path, HERE).searchParams;
    expect([returnPath(query.get("to"), HERE), query.get("ended")]).toEqual(["/admin?page=2", "expired"]);
    expect(signInPath("", null)).toBe("/sign-in");
  });

  it("is their role's page", () => {
    expect(homeOf(["clinician", "administrator"])).toBe("/admin");
    expect(homeOf(["auditor"])).toBe("/admin");
    expect(homeOf(["clinician"])).toBe("/rooms");
    expect(homeOf(["scheduler"])).toBeNull();
  });
});

describe("a refusal", () => {
  const answer = (body: string, status: number, headers = {}) => problemOf(new Response(body, { status, headers }));

  it("is read by its code", async () => {
    const problem = await answer(
      JSON.stringify({ code: "invalid", field: "email", person: "p", ending: "theft", trace_id: "01a209a3913b710783603a160dc95824" }),
      422,
      { "retry-after": "3" },
    );
    expect(problem).toMatchObject({
      code: "invalid",
      detail: { field: "email", person: "p", ending: "theft", retryAfter: 3_000, reference: "0DC95824" },
    });
  });

  it.each([
    ["[]", 500, "internal"],
    ["null", 503, "unavailable"],
    ["<html>", 504, "out-of-time"],
    ['{"code":7,"field":{},"ending":"otherwise"}', 429, "too-many-requests"],
  ])("is one whatever stands in it: %s", async (body, status, code) => {
    expect(await answer(body, status, { "retry-after": "Tuesday" })).toEqual(
      expect.objectContaining({ code, detail: { retryAfter: undefined, field: undefined, person: undefined, ending: undefined, reference: undefined } }),
    );
  });
});

describe("the client", () => {
  it("imports itself and nothing else: no framework", () => {
    const sources = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
    expect(sources).toContain("session.ts");
    for (const name of sources) {
      const text = readFileSync(`${import.meta.dirname}/${name}`, "utf8");
      expect(Array.from(text.matchAll(/from "([^"]+)"/g), ([, path]) => path).filter((path) => !path?.startsWith("./"))).toEqual([]);
      expect(text).not.toMatch(/localStorage|sessionStorage|document\.cookie/);
    }
  });
});
