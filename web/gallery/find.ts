/** The first element that matches, once it is there. */
export async function selected(selector: string): Promise<HTMLElement> {
  for (;;) {
    const element = document.querySelector<HTMLElement>(selector);
    if (element !== null) return element;
    await new Promise((next) => setTimeout(next, 20));
  }
}

/** The element with this test id, once it is there. */
export const found = (id: string) => selected(`[data-testid="${id}"]`);
