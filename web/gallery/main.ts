/**
 * Draws one view, chosen by the address: `?view=patient-waiting&lang=es&theme=dark`. Without one, a list.
 *
 * Each page is loaded by itself, as in what people get: a view that misses a style of its own must not find it in
 * another page's. Nothing here waits at the top of a module: what is loaded later may stand on this one.
 */
import "../ui/base.css";
import { staffViews } from "./staffViews";
import { views } from "./views";

declare global {
  interface Window {
    /** For the photographer. */
    views: { id: string; app: string }[];
  }
}

sessionStorage.clear();
localStorage.clear();
const all = [...views, ...staffViews];
window.views = all.map(({ id, app }) => ({ id, app }));
const query = new URLSearchParams(location.search);
const view = all.find((one) => one.id === query.get("view"));
const language = query.get("lang") === "es" ? "es" : "en";
const root = document.documentElement;
const theme = query.get("theme");
if (theme === "light" || theme === "dark") root.dataset["theme"] = theme;
const place = document.getElementById("app");

if (place !== null) {
  if (view === undefined) list(place);
  else {
    root.dataset["app"] = view.app === "patient" ? "patient" : "staff";
    void draw(view, place).then(() => (root.dataset["ready"] = "yes"));
  }
}

async function draw(view: (typeof all)[number], place: HTMLElement): Promise<void> {
  if (view.app === "staff") await (await import("./staff")).show(view, language, place);
  else await (await import("./visits")).show(view, language, place);
}

function list(place: HTMLElement): void {
  document.title = "Gallery";
  for (const { id } of all) {
    const link = document.createElement("a");
    link.href = `?view=${id}`;
    link.textContent = id;
    place.append(link);
  }
}
