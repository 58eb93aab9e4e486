"use strict";

// The Gaussians of every frame, from the numbers in the page. World: the film's camera at the origin, x right, y up,
// z towards the viewer, decimetres.

const COLUMNS = 14; // mean 3, quaternion 4 (scalar first), log scale 3, logit of opacity 1, constant colour 3
const SH = [0.28209479177387814, 0.4886025119029199, 1.0925484305920792, 0.31539156525252005, 0.5462742152960396,
  0.5900435899266435, 2.890611442640554, 0.4570457994644658, 0.3731763325901154, 1.445305721320277];

async function unpacked(text, about) {
  const letters = atob(text.trim());
  const packed = new Uint8Array(letters.length);
  for (let i = 0; i < packed.length; i++) packed[i] = letters.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(stream).arrayBuffer();
  const kinds = { f4: Float32Array, u4: Uint32Array, i1: Int8Array, u2: Uint16Array };
  const arrays = {};
  for (const [name, kind, shape, start] of about.arrays) {
    arrays[name] = new kinds[kind](buffer, start, shape.reduce((a, b) => a * b, 1));
  }
  return arrays;
}

// Gaussians that move in a few shapes, each more or less in a frame.
class Part {
  constructor(about, arrays, name) {
    const get = (what) => arrays[`${name}.${what}`];
    Object.assign(this, about, { moving: get("moving"), shapes: get("shapes"), scales: get("scales") });
    this.coefficients = get("coefficients");
    this.rest = new Float32Array(COLUMNS * this.count);
    const steps = get("mean"), range = get("range");
    for (let c = 0; c < COLUMNS; c++) {
      for (let i = c * this.count; i < (c + 1) * this.count; i++) this.rest[i] = range[2 * c] + range[2 * c + 1] * steps[i];
    }
    this.higher = new Float32Array(3 * this.harmonics * this.count);
    const bytes = get("higher"), unit = get("unit");
    for (let i = 0; i < this.higher.length; i++) this.higher[i] = bytes[i] * unit[Math.floor(i / this.count)];
    this.values = new Float32Array(this.rest);
  }

  // Sets `values`, column by column.
  show(frame) {
    const { columns, moving, shapes, values, rest } = this;
    const width = columns.length, sum = new Float32Array(moving.length);
    for (let c = 0; c < width; c++) {
      sum.fill(0);
      for (let k = 0; k < this.rank; k++) {
        const share = this.coefficients[frame * this.rank + k] * this.scales[k * width + c];
        const start = (k * width + c) * moving.length;
        for (let i = 0; i < moving.length; i++) sum[i] += share * shapes[start + i];
      }
      const column = columns[c] * this.count;
      for (let i = 0; i < moving.length; i++) values[column + moving[i]] = rest[column + moving[i]] + sum[i];
    }
  }
}

// All parts as the renderer takes them, 16 numbers each: mean, opacity, covariance (xx xy xz yy yz zz), colour.
class Person {
  constructor(about, arrays) {
    this.frames = about.frames;
    this.parts = about.parts.map((part) => new Part(part, arrays, part.name));
    this.poses = arrays.poses; // 16 a frame: head to world, 3 x 4 row by row; then fx, fy, cx, cy
    this.count = this.parts.reduce((sum, part) => sum + part.count, 0);
    this.data = new Float32Array(16 * this.count);
    this.frame = -1;
  }

  show(frame) {
    if (frame === this.frame) return;
    this.frame = frame;
    const pose = this.poses.subarray(16 * frame, 16 * frame + 12);
    const still = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0];
    let at = 0;
    for (const part of this.parts) {
      part.show(frame);
      this._place(part, part.posed ? pose : still, at);
      at += part.count;
    }
  }

  get lens() {
    return this.poses.subarray(16 * this.frame + 12, 16 * this.frame + 16);
  }

  _place(part, [a, b, c, tx, d, e, f, ty, g, h, k, tz], at) {
    const { values: v, count: n } = part, data = this.data;
    for (let i = 0; i < n; i++) {
      const o = 16 * (at + i), x = v[i], y = v[n + i], z = v[2 * n + i];
      data[o] = a * x + b * y + c * z + tx;
      data[o + 1] = d * x + e * y + f * z + ty;
      data[o + 2] = g * x + h * y + k * z + tz;
      data[o + 3] = 1 / (1 + Math.exp(-v[10 * n + i]));
      let qw = v[3 * n + i], qx = v[4 * n + i], qy = v[5 * n + i], qz = v[6 * n + i];
      const norm = 1 / Math.hypot(qw, qx, qy, qz);
      qw *= norm; qx *= norm; qy *= norm; qz *= norm;
      const sx = Math.exp(v[7 * n + i]), sy = Math.exp(v[8 * n + i]), sz = Math.exp(v[9 * n + i]);
      const r00 = 1 - 2 * (qy * qy + qz * qz), r01 = 2 * (qx * qy - qw * qz), r02 = 2 * (qx * qz + qw * qy);
      const r10 = 2 * (qx * qy + qw * qz), r11 = 1 - 2 * (qx * qx + qz * qz), r12 = 2 * (qy * qz - qw * qx);
      const r20 = 2 * (qx * qz - qw * qy), r21 = 2 * (qy * qz + qw * qx), r22 = 1 - 2 * (qx * qx + qy * qy);
      let xx = 0, xy = 0, xz = 0, yy = 0, yz = 0, zz = 0;
      for (const [p, q, r, s] of [[r00, r10, r20, sx], [r01, r11, r21, sy], [r02, r12, r22, sz]]) {
        const X = (a * p + b * q + c * r) * s, Y = (d * p + e * q + f * r) * s, Z = (g * p + h * q + k * r) * s;
        xx += X * X; xy += X * Y; xz += X * Z; yy += Y * Y; yz += Y * Z; zz += Z * Z;
      }
      data[o + 4] = xx; data[o + 5] = xy; data[o + 6] = xz; data[o + 7] = yy; data[o + 8] = yz; data[o + 9] = zz;
    }
  }

  // Colours as they are seen from a place of the world.
  colour(eye) {
    let at = 0;
    for (const part of this.parts) {
      const pose = part.posed ? this.poses.subarray(16 * this.frame, 16 * this.frame + 12) : null;
      const { values: v, higher, count: n, harmonics } = part, data = this.data;
      for (let i = 0; i < n; i++) {
        const o = 16 * (at + i), to = o + 12;
        for (let channel = 0; channel < 3; channel++) data[to + channel] = 0.5 + SH[0] * v[(11 + channel) * n + i];
        if (harmonics) {
          const world = [data[o] - eye[0], data[o + 1] - eye[1], data[o + 2] - eye[2]];
          const [X, Y, Z] = pose ? turnedBack(pose, world) : world;
          const length = 1 / Math.hypot(X, Y, Z);
          const terms = basis(X * length, Y * length, Z * length, harmonics);
          for (let t = 0; t < harmonics; t++) {
            for (let channel = 0; channel < 3; channel++) {
              data[to + channel] += terms[t] * higher[(3 * t + channel) * n + i];
            }
          }
        }
        for (let channel = 0; channel < 3; channel++) data[to + channel] = Math.max(0, data[to + channel]);
      }
      at += part.count;
    }
  }
}

function turnedBack(pose, [x, y, z]) {
  return [
    pose[0] * x + pose[4] * y + pose[8] * z, pose[1] * x + pose[5] * y + pose[9] * z, pose[2] * x + pose[6] * y + pose[10] * z,
  ];
}

// Real spherical harmonics above the constant (Sloan, "Efficient Spherical Harmonic Evaluation", JCGT 2013).
function basis(x, y, z, harmonics) {
  const terms = [-SH[1] * y, SH[1] * z, -SH[1] * x];
  if (harmonics > 3) {
    terms.push(SH[2] * x * y, -SH[2] * y * z, SH[3] * (3 * z * z - 1), -SH[2] * x * z, SH[4] * (x * x - y * y));
  }
  if (harmonics > 8) {
    terms.push(-SH[5] * y * (3 * x * x - y * y), SH[6] * x * y * z, -SH[7] * y * (5 * z * z - 1),
      SH[8] * z * (5 * z * z - 3), -SH[7] * x * (5 * z * z - 1), SH[9] * z * (x * x - y * y),
      -SH[5] * x * (x * x - 3 * y * y));
  }
  return terms;
}
