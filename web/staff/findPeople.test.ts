import { describe, expect, it } from "vitest";
import type { Listed } from "../identity";
import { findPeople, type Order } from "./findPeople";

const person = (name: string, email: string, roles: Listed["roles"], state: Listed["state"] = "active"): Listed => ({ id: name, name, email, roles, duties: [], state });
const everybody = [
  person("Tomás Ferreira", "tf@r.example", ["scheduler"]),
  person("Ana Öztürk", "ana.o@r.example", ["administrator"], "disabled"),
  person("Élise Brun", "brun@r.example", ["clinician"], "invitation-expired"),
  person("Bo Ferrer", "bo@r.example", ["clinician", "auditor"], "invited"),
];
const names = (search: string, order: Order = "added") => findPeople(everybody, search, order, "en").map(({ name }) => name.split(" ")[0]);

describe("finding people", () => {
  it.each([
    ["", ["Tomás", "Ana", "Élise", "Bo"]],
    ["ferre", ["Tomás", "Bo"]],
    ["TOMAS fer", ["Tomás"]],
    ["ozturk", ["Ana"]],
    ["brun@", ["Élise"]],
    ["  ", ["Tomás", "Ana", "Élise", "Bo"]],
    ["nobody", []],
    [".*", []],
  ])("by %j", (search, found) => expect(names(search)).toEqual(found));

  it("in the order that was asked for, and by name where that says nothing", () => {
    expect(names("", "name")).toEqual(["Ana", "Bo", "Élise", "Tomás"]);
    expect(names("", "role")).toEqual(["Bo", "Élise", "Tomás", "Ana"]);
    expect(names("", "state")).toEqual(["Élise", "Bo", "Tomás", "Ana"]);
    expect(names("ferre", "name")).toEqual(["Bo", "Tomás"]);
  });
});
