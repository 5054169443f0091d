const TRIED = "telehealth.reloaded";

/** A deploy removed a part of this page before it was needed: load the new page, once. */
export function reloadOnLostChunk(): void {
  addEventListener("vite:preloadError", (event) => {
    if (sessionStorage.getItem(TRIED) !== null) return;
    sessionStorage.setItem(TRIED, "yes");
    event.preventDefault();
    location.reload();
  });
}
