import { render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { VideoTile } from "./VideoTile";

const stream = () => ({ id: "a stream" }) as unknown as MediaStream;

it("is muted always: the engine plays the sound", () => {
  render(<VideoTile stream={stream()} label="Picture of Dr Lee" testId="remote-video" hasPicture />);
  expect(screen.getByTestId<HTMLVideoElement>("remote-video").muted).toBe(true);
});

it("plays a stream once, and not again when only words change", () => {
  const play = vi.spyOn(HTMLMediaElement.prototype, "play");
  const one = stream();
  const { rerender } = render(<VideoTile stream={one} label="a" testId="remote-video" hasPicture />);
  rerender(<VideoTile stream={one} label="b" testId="remote-video" hasPicture={false} instead={<p>off</p>} />);
  expect(play).toHaveBeenCalledTimes(1);
  expect(screen.getByTestId<HTMLVideoElement>("remote-video").srcObject).toBe(one);
  rerender(<VideoTile stream={stream()} label="b" testId="remote-video" hasPicture />);
  expect(play).toHaveBeenCalledTimes(2);
});

it("covers the picture with words and keeps the element", () => {
  const { rerender } = render(<VideoTile stream={stream()} label="a" testId="remote-video" hasPicture instead={<p>Camera off</p>} />);
  const element = screen.getByTestId("remote-video");
  expect(screen.queryByText("Camera off")).toBeNull();
  rerender(<VideoTile stream={stream()} label="a" testId="remote-video" hasPicture={false} instead={<p>Camera off</p>} />);
  expect(screen.getByText("Camera off")).toBeTruthy();
  expect(screen.getByTestId("remote-video")).toBe(element);
});
