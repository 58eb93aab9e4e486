"use strict";

// Gaussians become pixels as EWA splats (Zwicker et al. 2001), from the farthest to the nearest. The constants are those
// that the head was learnt with.

const { near: NEAR, low_pass: LOW_PASS, margin: MARGIN, min_alpha: MIN_ALPHA, max_alpha: MAX_ALPHA } =
  JSON.parse(document.getElementById("about").textContent).conventions;

const ROW = 1024; // Gaussians in a row of the texture
const LEVELS = 65536; // of depth, by which they are sorted

const SPLATS = `#version 300 es
precision highp float;
precision highp sampler2D;
uniform sampler2D data;   // 4 texels a Gaussian
uniform mat3 turn;        // world to camera (x right, y down, z forward)
uniform vec3 shift;
uniform vec4 lens;        // fx, fy, cx, cy
uniform vec2 size;        // pixels
in uint which;
out vec2 place;           // standard deviations from the centre
out vec4 shade;
const vec2 corners[4] = vec2[4](vec2(-1, -1), vec2(1, -1), vec2(-1, 1), vec2(1, 1));

void main() {
  ivec2 at = ivec2(int(which % ${ROW}u) * 4, int(which / ${ROW}u));
  vec4 first = texelFetch(data, at, 0), second = texelFetch(data, at + ivec2(1, 0), 0);
  vec4 third = texelFetch(data, at + ivec2(2, 0), 0), colour = texelFetch(data, at + ivec2(3, 0), 0);
  vec3 point = turn * first.xyz + shift;
  float opacity = first.w;
  gl_Position = vec4(2, 2, 2, 1);
  shade = vec4(0);
  place = vec2(0);
  if (point.z < ${NEAR} || opacity <= ${MIN_ALPHA}) return;
  mat3 spread = mat3(second.x, second.y, second.z, second.y, second.w, third.x, second.z, third.x, third.y);
  vec2 slope = point.xy / point.z, margin = ${MARGIN} * size / lens.xy;
  vec2 seen = clamp(slope, -lens.zw / lens.xy - margin, (size - lens.zw) / lens.xy + margin);
  mat3 local = turn * spread * transpose(turn);
  vec3 u = vec3(lens.x / point.z, 0, -lens.x * seen.x / point.z);
  vec3 v = vec3(0, lens.y / point.z, -lens.y * seen.y / point.z);
  vec3 along = local * u;
  float xx = dot(u, along) + ${LOW_PASS}, xy = dot(v, along), yy = dot(v, local * v) + ${LOW_PASS};
  float middle = (xx + yy) / 2.0, apart = length(vec2((xx - yy) / 2.0, xy));
  float larger = middle + apart, smaller = middle - apart;
  if (smaller <= 0.0) return;
  vec2 axis = apart < 1e-9 ? vec2(1, 0) : abs(xy) > 1e-9 ? normalize(vec2(xy, larger - xx)) : xx >= yy ? vec2(1, 0) : vec2(0, 1);
  float extent = sqrt(2.0 * log(opacity / ${MIN_ALPHA}));
  place = corners[gl_VertexID] * extent;
  vec2 pixel = lens.xy * slope + lens.zw
    + place.x * sqrt(larger) * axis + place.y * sqrt(smaller) * vec2(-axis.y, axis.x);
  gl_Position = vec4(2.0 * pixel.x / size.x - 1.0, 1.0 - 2.0 * pixel.y / size.y, 0, 1);
  shade = vec4(colour.rgb, opacity);
}`;

const SPLAT = `#version 300 es
precision highp float;
in vec2 place;
in vec4 shade;
out vec4 result;
void main() {
  float alpha = min(shade.a * exp(-0.5 * dot(place, place)), ${MAX_ALPHA});
  if (alpha < ${MIN_ALPHA}) discard;
  result = vec4(shade.rgb * alpha, alpha);
}`;

const WHOLE = `#version 300 es
const vec2 corners[3] = vec2[3](vec2(-1, -1), vec2(3, -1), vec2(-1, 3));
void main() { gl_Position = vec4(corners[gl_VertexID], 0, 1); }`;

const BEHIND = `#version 300 es
precision highp float;
uniform sampler2D person, room;
uniform vec2 size;
out vec4 result;
void main() {
  vec4 front = texelFetch(person, ivec2(gl_FragCoord.xy), 0);
  vec4 back = texture(room, vec2(gl_FragCoord.x, size.y - gl_FragCoord.y) / size);
  result = front + (1.0 - front.a) * back;
}`;

class Renderer {
  constructor(canvas, person, width, height, room) {
    const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true });
    if (!gl) throw new Error("this browser shows no WebGL2, which the page draws with");
    Object.assign(canvas, { width, height });
    this.gl = gl;
    this.person = person;
    this.size = [width, height];
    this.splats = program(gl, SPLATS, SPLAT);
    this.behind = program(gl, WHOLE, BEHIND);
    const precise = gl.getExtension("EXT_color_buffer_half_float") || gl.getExtension("EXT_color_buffer_float");
    this.picture = texture(gl, gl.NEAREST);
    gl.texStorage2D(gl.TEXTURE_2D, 1, precise ? gl.RGBA16F : gl.RGBA8, width, height);
    this.target = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, this.picture, 0);
    this.rows = Math.ceil(person.count / ROW);
    this.data = texture(gl, gl.NEAREST);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, 4 * ROW, this.rows);
    this.padded = new Float32Array(16 * ROW * this.rows);
    this.room = texture(gl, gl.LINEAR);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, true);
    if (room) gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, room);
    else gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    this.order = new Uint32Array(person.count);
    this.keys = new Uint16Array(person.count);
    this.starts = new Uint32Array(LEVELS + 1);
    this.buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    gl.bufferData(gl.ARRAY_BUFFER, this.order.byteLength, gl.DYNAMIC_DRAW);
    const which = gl.getAttribLocation(this.splats.program, "which");
    gl.enableVertexAttribArray(which);
    gl.vertexAttribIPointer(which, 1, gl.UNSIGNED_INT, 0, 0);
    gl.vertexAttribDivisor(which, 1);
  }

  // Draws the person's frame as a camera sees it: camera = turn (row by row) * world + shift, x right, y down, z forward.
  draw(turn, shift) {
    const { gl, person } = this, [width, height] = this.size;
    person.colour([0, 1, 2].map((i) => -(turn[i] * shift[0] + turn[3 + i] * shift[1] + turn[6 + i] * shift[2])));
    this.padded.set(person.data);
    gl.bindTexture(gl.TEXTURE_2D, this.data);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, 4 * ROW, this.rows, gl.RGBA, gl.FLOAT, this.padded);
    this._sort(turn.slice(6), shift[2]);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, this.order);
    gl.viewport(0, 0, width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.useProgram(this.splats.program);
    gl.uniformMatrix3fv(this.splats.at("turn"), true, turn);
    gl.uniform3fv(this.splats.at("shift"), shift);
    gl.uniform4fv(this.splats.at("lens"), person.lens);
    gl.uniform2f(this.splats.at("size"), width, height);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, person.count);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.disable(gl.BLEND);
    gl.useProgram(this.behind.program);
    gl.uniform2f(this.behind.at("size"), width, height);
    [this.picture, this.room].forEach((image, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, image);
    });
    gl.uniform1i(this.behind.at("person"), 0);
    gl.uniform1i(this.behind.at("room"), 1);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.activeTexture(gl.TEXTURE0);
  }

  // From the farthest to the nearest, by counting.
  _sort([x, y, z], shift) {
    const { data, count } = this.person, { keys, order, starts } = this;
    const depths = new Float32Array(count);
    let least = Infinity, most = -Infinity;
    for (let i = 0; i < count; i++) {
      const depth = x * data[16 * i] + y * data[16 * i + 1] + z * data[16 * i + 2] + shift;
      depths[i] = depth;
      if (depth < least) least = depth;
      if (depth > most) most = depth;
    }
    const levels = (LEVELS - 1) / Math.max(most - least, 1e-6);
    starts.fill(0);
    for (let i = 0; i < count; i++) {
      keys[i] = (most - depths[i]) * levels;
      starts[1 + keys[i]]++;
    }
    for (let level = 0; level < LEVELS; level++) starts[level + 1] += starts[level];
    for (let i = 0; i < count; i++) order[starts[keys[i]]++] = i;
  }
}

function texture(gl, filter) {
  const made = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, made);
  for (const which of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, which, filter);
  for (const which of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, which, gl.CLAMP_TO_EDGE);
  return made;
}

function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
  return { program: made, at: (name) => gl.getUniformLocation(made, name) };
}
