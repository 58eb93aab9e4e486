"use strict";

// Play, stop, look around. The sound is the clock.

const FARTHEST = [60, 30]; // degrees of yaw and pitch from the front; there is no back of the head
const NEARER = [0.5, 3]; // times

class View {
  constructor(pivot) {
    this.pivot = pivot;
    this.front();
  }

  front() {
    [this.yaw, this.pitch, this.zoom] = [0, 0, 1];
  }

  turn(yaw, pitch) {
    this.yaw = Math.max(-FARTHEST[0], Math.min(FARTHEST[0], this.yaw + yaw));
    this.pitch = Math.max(-FARTHEST[1], Math.min(FARTHEST[1], this.pitch + pitch));
  }

  near(times) {
    this.zoom = Math.max(NEARER[0], Math.min(NEARER[1], this.zoom * times));
  }

  // World to camera (x right, y down, z forward): about the pivot, then nearer along the line of sight.
  get camera() {
    const [yaw, pitch] = [this.yaw, this.pitch].map((angle) => (angle * Math.PI) / 180);
    const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
    const turn = [cy, 0, sy, -sp * sy, -cp, sp * cy, cp * sy, -sp, -cp * cy];
    const [x, y, z] = this.pivot, dolly = 1 / this.zoom;
    const moved = [0, 3, 6].map((row) => turn[row] * x + turn[row + 1] * y + turn[row + 2] * z);
    return [turn, [x * dolly - moved[0], -y * dolly - moved[1], -z * dolly - moved[2]]];
  }
}

class Player {
  constructor(about, person, renderer, view) {
    Object.assign(this, { about, person, renderer, view });
    this.sound = document.getElementById("sound");
    this.frame = 0;
    this._controls();
    this.show(0);
  }

  get playing() {
    return !this.sound.paused && !this.sound.ended;
  }

  // The frame that is seen at a time of the sound.
  at(time) {
    return Math.max(0, Math.min(this.about.frames - 1, Math.floor(time * this.about.fps + 1e-3)));
  }

  show(frame) {
    this.frame = frame;
    this.person.show(frame);
    this.renderer.draw(...this.view.camera);
    const seconds = (count) => `${Math.floor(count / 60)}:${(count % 60).toFixed(1).padStart(4, "0")}`;
    const time = frame / this.about.fps;
    document.getElementById("time").value = time;
    document.getElementById("clock").value = `${seconds(time)} / ${seconds(this.about.frames / this.about.fps)}`;
  }

  seek(time) {
    this.sound.currentTime = time;
    this.show(this.at(time));
  }

  async toggle() {
    if (this.playing) this.sound.pause();
    else await this.sound.play();
  }

  _follow() {
    const step = () => {
      if (!this.playing) return;
      const frame = this.at(this.sound.currentTime);
      if (frame !== this.frame) this.show(frame);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  _look(change) {
    change();
    if (!this.waiting) {
      this.waiting = requestAnimationFrame(() => {
        this.waiting = null;
        this.show(this.frame);
      });
    }
  }

  _controls() {
    const canvas = this.renderer.gl.canvas, view = this.view;
    const [play, time, front] = ["play", "time", "front"].map((name) => document.getElementById(name));
    time.max = (this.about.frames - 1) / this.about.fps;
    for (const control of [play, time, front]) control.disabled = false;
    play.onclick = () => this.toggle();
    time.oninput = () => this.seek(Number(time.value));
    front.onclick = () => this._look(() => view.front());
    for (const event of ["play", "pause", "ended"]) {
      this.sound.addEventListener(event, () => {
        play.textContent = this.playing ? "Pause" : "Play";
        if (event === "play") this._follow();
      });
    }
    const pointers = new Map();
    canvas.onpointerdown = (event) => {
      pointers.set(event.pointerId, event);
      canvas.setPointerCapture(event.pointerId);
    };
    canvas.onpointermove = (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const others = [...pointers.values()].filter((one) => one.pointerId !== event.pointerId);
      pointers.set(event.pointerId, event);
      const apart = (one, other) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      if (others.length) this._look(() => view.near(apart(event, others[0]) / Math.max(apart(before, others[0]), 1)));
      else this._look(() => view.turn((event.clientX - before.clientX) / 4, (event.clientY - before.clientY) / 4));
    };
    canvas.onpointerup = canvas.onpointercancel = (event) => pointers.delete(event.pointerId);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this._look(() => view.near(Math.exp(-event.deltaY / 800)));
    }, { passive: false });
    canvas.ondblclick = () => this._look(() => view.front());
    const keys = {
      ArrowLeft: () => view.turn(-5, 0), ArrowRight: () => view.turn(5, 0), ArrowUp: () => view.turn(0, -5),
      ArrowDown: () => view.turn(0, 5), "+": () => view.near(1.1), "-": () => view.near(1 / 1.1), 0: () => view.front(),
    };
    canvas.onkeydown = (event) => {
      if (event.key === " ") this.toggle();
      else if (keys[event.key]) this._look(keys[event.key]);
      else return;
      event.preventDefault();
    };
  }
}

async function start() {
  const about = JSON.parse(document.getElementById("about").textContent);
  let room = null;
  if (about.room) {
    room = new Image();
    room.src = about.room;
    await room.decode();
  }
  const person = new Person(about, await unpacked(document.getElementById("person").textContent, about));
  const renderer = new Renderer(document.getElementById("film"), person, about.width, about.height, room);
  return new Player(about, person, renderer, new View(about.pivot));
}

const player = start();
player.catch((error) => {
  document.getElementById("clock").value = "";
  document.getElementById("trouble").textContent = `This film cannot be shown here: ${error.message || error}`;
});
