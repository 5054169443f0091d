import { type ReactNode, useEffect, useRef } from "react";
import "./VideoTile.css";

interface Props {
  stream: MediaStream | null;
  label: string;
  testId: string;
  /** One's own picture: mirrored, and it may fill its small frame. */
  self?: boolean;
  /** Drawn over the picture while there is none. */
  instead?: ReactNode;
  hasPicture: boolean;
}

/** A picture, whole. Always muted: the engine plays the sound, so that a new layout never interrupts a voice. */
export function VideoTile({ stream, label, testId, self, instead, hasPicture }: Props) {
  const video = useRef<HTMLVideoElement>(null);

  useEffect(() => {
    const element = video.current;
    if (element === null) return;
    if (element.srcObject !== stream) element.srcObject = stream;
    // Muted pictures may always play; a new stream that arrives meanwhile interrupts harmlessly.
    if (stream !== null) element.play()?.catch(() => undefined);
  }, [stream]);

  return (
    <div className={self === true ? "tile tile--self" : "tile"}>
      <video
        ref={video}
        className="tile__video"
        data-testid={testId}
        data-picture={hasPicture}
        aria-label={label}
        autoPlay
        playsInline
        muted
        disablePictureInPicture={self === true}
      />
      {!hasPicture && <div className="tile__instead">{instead}</div>}
    </div>
  );
}
