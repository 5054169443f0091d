/** Still pictures as streams, drawn here: a person in a room, and a document on a screen. */

interface Person {
  wall: string;
  light: string;
  skin: string;
  hair: string;
  clothes: string;
}

export const clinician: Person = { wall: "#8fa7a3", light: "#c9d8d2", skin: "#b98465", hair: "#2b2320", clothes: "#f0f3f2" };
export const patient: Person = { wall: "#b9a58c", light: "#e4d8c4", skin: "#d6a888", hair: "#6d6a68", clothes: "#4a6078" };

function canvas(width: number, height: number, draw: (at: CanvasRenderingContext2D) => void): MediaStream {
  const element = document.createElement("canvas");
  element.width = width;
  element.height = height;
  const context = element.getContext("2d");
  const stream = element.captureStream(5);
  if (context !== null) {
    draw(context);
    // A canvas that is drawn once sends one frame, and a late viewer none.
    setInterval(() => draw(context), 200);
  }
  return stream;
}

/** Head and shoulders before a wall. */
export function portrait({ wall, light, skin, hair, clothes }: Person): MediaStream {
  const [width, height] = [1280, 720];
  return canvas(width, height, (at) => {
    const backdrop = at.createLinearGradient(0, 0, width, height);
    backdrop.addColorStop(0, light);
    backdrop.addColorStop(1, wall);
    at.fillStyle = backdrop;
    at.fillRect(0, 0, width, height);
    at.fillStyle = "rgba(255,255,255,0.35)";
    at.fillRect(90, 60, 230, 330);
    ellipse(at, hair, 640, 300, 165, 200);
    at.fillStyle = clothes;
    at.beginPath();
    at.roundRect(360, 560, 560, 300, [200, 200, 0, 0]);
    at.fill();
    at.fillStyle = skin;
    at.fillRect(585, 450, 110, 140);
    ellipse(at, clothes, 640, 590, 90, 40);
    ellipse(at, skin, 640, 330, 132, 168);
    at.fillStyle = hair;
    at.beginPath();
    at.ellipse(640, 235, 140, 90, 0, Math.PI, 0);
    at.fill();
    ellipse(at, "#2a2420", 588, 320, 11, 8);
    ellipse(at, "#2a2420", 692, 320, 11, 8);
    at.strokeStyle = "#7c4a3c";
    at.lineWidth = 6;
    at.lineCap = "round";
    at.beginPath();
    at.arc(640, 385, 46, 0.25 * Math.PI, 0.75 * Math.PI);
    at.stroke();
  });
}

function ellipse(at: CanvasRenderingContext2D, fill: string, x: number, y: number, rx: number, ry: number): void {
  at.fillStyle = fill;
  at.beginPath();
  at.ellipse(x, y, rx, ry, 0, 0, 2 * Math.PI);
  at.fill();
}

/** A page with a table, as somebody would show it. */
export function documentScreen(): MediaStream {
  return canvas(1440, 900, (at) => {
    at.fillStyle = "#e7ebee";
    at.fillRect(0, 0, 1440, 900);
    at.fillStyle = "#fff";
    at.fillRect(220, 50, 1000, 850);
    at.fillStyle = "#1d2b33";
    at.font = "600 40px sans-serif";
    at.fillText("Knee, right: range of motion", 290, 140);
    at.font = "26px sans-serif";
    for (const [row, text] of ["Week 2    0–75°", "Week 4    0–95°", "Week 6    0–110°", "Week 8    0–125°"].entries()) {
      at.fillText(text, 290, 230 + row * 64);
      at.fillStyle = "#c8d0d4";
      at.fillRect(290, 252 + row * 64, 860, 2);
      at.fillStyle = "#1d2b33";
    }
    at.fillStyle = "#00616a";
    for (const [bar, size] of [75, 95, 110, 125].entries()) at.fillRect(290 + bar * 130, 850 - size * 2.4, 80, size * 2.4);
  });
}
