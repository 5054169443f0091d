/** What Chromium's fake camera and microphone play: one colour with a moving bar, one pulsed tone. */
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { scratch } from "./processes.mjs";

const directory = scratch("media");
const WIDTH = 320;
const HEIGHT = 180;
const FPS = 15;
/** How far a pixel is off its colour at most. The mean stays what it is. */
const GRAIN = 24;

/** The same grain in every run: xorshift32. */
let state = 1;
function random() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
}

/** BT.601 limited range, as Y4M players assume. */
function toYuv([r, g, b]) {
  return [
    16 + (65.738 * r + 129.057 * g + 25.064 * b) / 256,
    128 + (-37.945 * r - 74.494 * g + 112.439 * b) / 256,
    128 + (112.439 * r - 94.154 * g - 18.285 * b) / 256,
  ].map(Math.round);
}

/**
 * A second of the colour; a bar walks along the bottom so that no two frames are the same. With `grain`, as in a
 * dim room: an even colour costs an encoder nothing, and it never meets the limit of a network.
 */
export function cameraFile(person, grain = false) {
  const file = path.join(directory, `${person.name}${grain ? "-grain" : ""}.y4m`);
  if (existsSync(file)) return file;
  const [y, u, v] = toYuv(person.colour);
  const chunks = [Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F${FPS}:1 Ip A1:1 C420jpeg\n`)];
  for (let frame = 0; frame < FPS; frame++) {
    const luma = Buffer.alloc(WIDTH * HEIGHT, y);
    if (grain) for (let at = 0; at < luma.length; at++) luma[at] = y + Math.round((random() - 0.5) * 2 * GRAIN);
    const left = Math.floor((frame * WIDTH) / FPS);
    for (let row = HEIGHT - 20; row < HEIGHT; row++) luma.fill(235, row * WIDTH + left, row * WIDTH + left + 20);
    const quarter = (WIDTH / 2) * (HEIGHT / 2);
    chunks.push(Buffer.from("FRAME\n"), luma, Buffer.alloc(quarter, u), Buffer.alloc(quarter, v));
  }
  writeFileSync(file, Buffer.concat(chunks));
  return file;
}

/**
 * Two seconds of the tone, swelling four times a second: a steady tone is what a browser's noise
 * suppression takes for a fan.
 */
export function microphoneFile(person) {
  const file = path.join(directory, `${person.name}.wav`);
  if (existsSync(file)) return file;
  const rate = 48_000;
  const samples = rate * 2;
  const data = Buffer.alloc(44 + samples * 2);
  data.write("RIFF", 0);
  data.writeUInt32LE(36 + samples * 2, 4);
  data.write("WAVEfmt ", 8);
  data.writeUInt32LE(16, 16);
  data.writeUInt16LE(1, 20); // PCM
  data.writeUInt16LE(1, 22); // mono
  data.writeUInt32LE(rate, 24);
  data.writeUInt32LE(rate * 2, 28);
  data.writeUInt16LE(2, 32);
  data.writeUInt16LE(16, 34);
  data.write("data", 36);
  data.writeUInt32LE(samples * 2, 40);
  for (let i = 0; i < samples; i++) {
    const t = i / rate;
    const swell = 0.5 - 0.5 * Math.cos(2 * Math.PI * 4 * t);
    data.writeInt16LE(Math.round(0.5 * 32_767 * swell * Math.sin(2 * Math.PI * person.tone * t)), 44 + i * 2);
  }
  writeFileSync(file, data);
  return file;
}
