/** What jsdom has not: modal dialogs, media queries, playing video. Imported by tests that draw. */
import { cleanup } from "@testing-library/react";
import { afterEach, beforeEach, vi } from "vitest";
import { startWords } from "../../i18n";
import { clinic } from "../../i18n/en/clinic";
import { patient } from "../../i18n/en/patient";
import { problems } from "../../i18n/en/problems";
import { shared } from "../../i18n/en/shared";

const words = { ...shared, ...problems, ...patient, ...clinic };

beforeEach(async () => {
  await startWords({ en: () => Promise.resolve(words), es: () => Promise.resolve(words) }, "en");
  localStorage.clear();
  sessionStorage.clear();
  HTMLDialogElement.prototype.showModal = function showModal() {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function close() {
    this.open = false;
  };
  HTMLCanvasElement.prototype.getContext = () => null;
  HTMLCanvasElement.prototype.captureStream = () => ({}) as MediaStream;
  HTMLMediaElement.prototype.play = () => Promise.resolve();
  vi.stubGlobal("matchMedia", (query: string) => ({
    matches: false,
    media: query,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  }));
});

afterEach(cleanup);
