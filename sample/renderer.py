"""A z-buffer rasterizer with shading per vertex, for meshes whose triangles are about as small as the samples.

The camera is the OpenGL/NeRF one of the head frame: x right, y up, the scene at negative z. Pixels take 2 x 2 samples.
Colours are linear light until the last step, which encodes them as sRGB-like bytes (gamma 2.2).
"""

from __future__ import annotations

from typing import no_type_check  # numba cannot compile what the tests put around a checked function

import numpy as np
from numba import njit
from numpy.typing import NDArray

SAMPLES = 2  # per pixel and axis


@njit(cache=True, nogil=True)
@no_type_check
def vertex_normals(vertices, faces):
    """Unit normals [V, 3] of a mesh, each the area-weighted mean of its faces' normals."""
    normals = np.zeros_like(vertices)
    for f in range(len(faces)):
        a, b, c = faces[f]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for v in (a, b, c):
            normals[v, 0] += nx
            normals[v, 1] += ny
            normals[v, 2] += nz
    for v in range(len(normals)):
        length = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2) + np.float32(1e-12)
        normals[v] /= length
    return normals


@njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def _shade(vertices, normals, albedo, occlusion, gloss):
    """Linear colours [V, 3] under a soft key light from the upper left, a cool fill from the right and a sky."""
    colours = np.empty_like(vertices)
    kx, ky, kz = np.float32(-0.42), np.float32(0.50), np.float32(0.757)
    fx, fy, fz = np.float32(0.74), np.float32(0.10), np.float32(0.665)
    for v in range(len(vertices)):
        nx, ny, nz = normals[v]
        x, y, z = vertices[v]
        inverse = 1 / np.sqrt(x * x + y * y + z * z)
        ex, ey, ez = -x * inverse, -y * inverse, -z * inverse
        facing = nx * ex + ny * ey + nz * ez
        key = max(0.0, (nx * kx + ny * ky + nz * kz + 0.25) / 1.25)
        fill = max(0.0, (nx * fx + ny * fy + nz * fz + 0.3) / 1.3)
        sky = 0.5 + 0.5 * ny
        soft = occlusion[v]
        hx, hy, hz = kx + ex, ky + ey, kz + ez
        half = max(0.0, (nx * hx + ny * hy + nz * hz) / np.sqrt(hx * hx + hy * hy + hz * hz))
        shine = gloss[v, 0] * half ** gloss[v, 1] * soft
        rim = gloss[v, 2] * max(0.0, 1 - facing) ** 3 * (0.3 + 0.7 * sky)
        for c in range(3):
            warm = (1.0, 0.95, 0.88)[c]
            cool = (0.85, 0.95, 1.05)[c]
            light = (
                0.78 * warm * key * (0.35 + 0.65 * soft) + 0.27 * cool * fill * soft + 0.26 * (0.35 + 0.65 * sky) * soft
            )
            colours[v, c] = albedo[v, c] * light + shine + rim * cool
    return colours


@njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def _rasterize(vertices, colours, faces, labels, focal, height, width, image, depth, mask):
    """Fill ``image``, ``depth`` (1/distance) and ``mask`` at the samples' resolution; back faces are skipped."""
    screen = np.empty((len(vertices), 3), np.float32)
    for v in range(len(vertices)):
        inverse = -1 / vertices[v, 2]
        screen[v, 0] = width * np.float32(0.5) + focal * vertices[v, 0] * inverse
        screen[v, 1] = height * np.float32(0.5) - focal * vertices[v, 1] * inverse
        screen[v, 2] = inverse
    for f in range(len(faces)):
        a, b, c = faces[f]
        ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
        area = (cx - ax) * (by - ay) - (bx - ax) * (cy - ay)
        if area <= 1e-9:
            continue
        left, right = min(ax, bx, cx), max(ax, bx, cx)
        top, bottom = min(ay, by, cy), max(ay, by, cy)
        u0, u1 = max(0, int(np.ceil(left - 0.5))), min(width - 1, int(np.floor(right - 0.5)))
        v0, v1 = max(0, int(np.ceil(top - 0.5))), min(height - 1, int(np.floor(bottom - 0.5)))
        if u0 > u1 or v0 > v1:
            continue
        scale = 1 / area
        for row in range(v0, v1 + 1):
            py = row + np.float32(0.5)
            for column in range(u0, u1 + 1):
                px = column + np.float32(0.5)
                wb = ((cx - ax) * (py - ay) - (px - ax) * (cy - ay)) * scale
                wc = ((px - ax) * (by - ay) - (bx - ax) * (py - ay)) * scale
                wa = 1 - wb - wc
                if wa < -1e-4 or wb < -1e-4 or wc < -1e-4:
                    continue
                near = wa * screen[a, 2] + wb * screen[b, 2] + wc * screen[c, 2]
                if near > depth[row, column]:
                    depth[row, column] = near
                    mask[row, column] = labels[a]
                    for k in range(3):
                        image[row, column, k] = wa * colours[a, k] + wb * colours[b, k] + wc * colours[c, k]


@njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def _resolve(image, mask, samples, grain):
    """Average the samples of each pixel and encode; the label is the one that most samples have."""
    height, width = image.shape[0] // samples, image.shape[1] // samples
    out = np.empty((height, width, 3), np.uint8)
    label = np.empty((height, width), np.uint8)
    votes = np.empty(5, np.int64)
    gamma, share = np.float32(1 / 2.2), np.float32(1 / (samples * samples))
    for v in range(height):
        for u in range(width):
            votes[:] = 0
            red, green, blue = np.float32(0), np.float32(0), np.float32(0)
            for i in range(v * samples, (v + 1) * samples):
                for j in range(u * samples, (u + 1) * samples):
                    red += min(image[i, j, 0], np.float32(1))
                    green += min(image[i, j, 1], np.float32(1))
                    blue += min(image[i, j, 2], np.float32(1))
                    votes[mask[i, j]] += 1
            for k, light in enumerate((red, green, blue)):
                value = (light * share) ** gamma * np.float32(255) + grain[v, u] + np.float32(0.5)
                out[v, u, k] = np.uint8(min(max(value, np.float32(0)), np.float32(255)))
            label[v, u] = np.argmax(votes)
    return out, label


@njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def place(vertices, normals, share, rotation, translation, stand):
    """Vertices and normals [V, 3] moved in place: ``share`` [V] by the head's motion, the rest by the torso's."""
    for i in range(len(vertices)):
        x, y, z = vertices[i]
        nx, ny, nz = normals[i]
        w = share[i]
        for k in range(3):
            moved = rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z + translation[k]
            turned = rotation[k, 0] * nx + rotation[k, 1] * ny + rotation[k, 2] * nz
            vertices[i, k] = w * moved + (1 - w) * ((x, y, z)[k] + stand[k])
            normals[i, k] = w * turned + (1 - w) * (nx, ny, nz)[k]


def render(
    vertices: NDArray[np.float32],
    normals: NDArray[np.float32],
    albedo: NDArray[np.float32],
    occlusion: NDArray[np.float32],
    gloss: NDArray[np.float32],
    faces: NDArray[np.int32],
    labels: NDArray[np.uint8],
    focal: float,
    background: NDArray[np.float32],
    grain: NDArray[np.float32],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a mesh given in camera coordinates over a background.

    vertices, normals [V, 3]; albedo [V, 3] linear 0..1; occlusion [V] 0..1; gloss [V, 3] strength, exponent and rim;
    faces [F, 3] counter-clockwise from outside; labels [V] in 1..4; focal in pixels; background [H, W, 3] linear 0..1;
    grain [H, W] added to the bytes. Returns the picture [H, W, 3] uint8 RGB and labels [H, W] uint8.
    """
    height, width = background.shape[:2]
    image = np.repeat(np.repeat(background, SAMPLES, 0), SAMPLES, 1)
    depth = np.zeros(image.shape[:2], np.float32)
    mask = np.zeros(image.shape[:2], np.uint8)
    colours = _shade(vertices, normals, albedo, occlusion, gloss)
    _rasterize(
        vertices,
        colours,
        faces,
        labels,
        np.float32(focal * SAMPLES),
        height * SAMPLES,
        width * SAMPLES,
        image,
        depth,
        mask,
    )
    return _resolve(image, mask, SAMPLES, grain)
