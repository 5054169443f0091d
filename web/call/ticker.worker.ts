/** Posts a tick every so many milliseconds; see `ticker.ts`. */
let timer: ReturnType<typeof setInterval> | undefined;

addEventListener("message", ({ data }: MessageEvent<number>) => {
  clearInterval(timer);
  if (data > 0) timer = setInterval(() => postMessage(0), data);
});

export {};
