"""Pinhole cameras in the renderer's convention, and the one conversion from the data set's.

The world is the head's own frame: right-handed, x towards the image's right when the face looks at the camera, y up,
z out of the face. The renderer's cameras are OpenCV's: x right, y down, z forward, pixel centres at +0.5. The data
set stores NeRF's: x right, y up, z back, camera-to-world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Camera:
    """A batch of B views of one image size.

    Example:
        >>> views = torch.eye(4)[None]
        >>> views[:, 2, 3] = 10.0  # the world's origin lies ten units in front of the camera
        >>> camera = Camera.from_focal(views, 1200.0, 512, 512)
        >>> camera.project(torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
        tensor([[[256., 256.],
                 [376., 256.]]])
    """

    viewmats: Float[Tensor, "B 4 4"]  # world-to-camera, OpenCV
    intrinsics: Float[Tensor, "B 3 3"]  # pixels: [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]
    width: int  # pixels
    height: int  # pixels

    @classmethod
    def from_focal(
        cls,
        viewmats: Float[Tensor, "B 4 4"],
        focal: float | Tensor | tuple[float, float],
        width: int,
        height: int,
        cx: float | None = None,
        cy: float | None = None,
    ) -> Camera:
        """Cameras from focal length and principal point.

        Args:
            viewmats: world-to-camera, OpenCV.
            focal: focal length of all views or of each, pixels; or of columns and of rows, where pixels are not square.
            width: of the image, pixels.
            height: of the image, pixels.
            cx: the principal point's column, pixels; the image's centre if None.
            cy: its row.
        """
        intrinsics = viewmats.new_zeros(len(viewmats), 3, 3)
        columns, rows = focal if isinstance(focal, tuple) else (focal, focal)
        intrinsics[:, 0, 0] = torch.as_tensor(columns).to(viewmats)
        intrinsics[:, 1, 1] = torch.as_tensor(rows).to(viewmats)
        intrinsics[:, 0, 2] = width / 2 if cx is None else cx
        intrinsics[:, 1, 2] = height / 2 if cy is None else cy
        intrinsics[:, 2, 2] = 1
        return cls(viewmats, intrinsics, width, height)

    @classmethod
    def stack(cls, cameras: Sequence[Camera]) -> Camera:
        """One batch from several.

        Raises:
            ValueError: if there are none or their image sizes differ.
        """
        if len({(camera.width, camera.height) for camera in cameras}) != 1:
            raise ValueError("cameras of one batch need one image size")
        first = cameras[0]
        return cls(
            torch.cat([camera.viewmats for camera in cameras]),
            torch.cat([camera.intrinsics for camera in cameras]),
            first.width,
            first.height,
        )

    def __len__(self) -> int:
        return len(self.viewmats)

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> Camera:
        """The view(s) at ``index``, always as a batch: ``camera[3]`` has B = 1."""
        if isinstance(index, int):
            index = [index]
        elif isinstance(index, Tensor):
            index = index.to(self.viewmats.device)
        return replace(self, viewmats=self.viewmats[index], intrinsics=self.intrinsics[index])

    @property
    def positions(self) -> Float[Tensor, "B 3"]:
        """Where the cameras are in the world: -R^T t."""
        rotation, translation = self.viewmats[:, :3, :3], self.viewmats[:, :3, 3]
        return -(rotation.transpose(1, 2) @ translation[..., None])[..., 0]

    def crop(self, x: int, y: int, width: int, height: int) -> Camera:
        """The same views of the pixels [x, x + width) x [y, y + height) only; the rectangle may leave the image."""
        intrinsics = self.intrinsics.clone()
        intrinsics[:, 0, 2] -= x
        intrinsics[:, 1, 2] -= y
        return replace(self, intrinsics=intrinsics, width=width, height=height)

    def resize(self, width: int, height: int) -> Camera:
        """The same views with other pixels: focal length and principal point scale with the image."""
        factor = self.intrinsics.new_tensor([width / self.width, height / self.height, 1.0])
        return replace(self, intrinsics=self.intrinsics * factor[:, None], width=width, height=height)

    def project(self, points: Float[Tensor, "*B N 3"]) -> Float[Tensor, "B N 2"]:
        """Pixel coordinates of world points; meaningless for points behind the camera."""
        in_camera = points @ self.viewmats[:, :3, :3].transpose(1, 2) + self.viewmats[:, None, :3, 3]
        on_image = in_camera @ self.intrinsics.transpose(1, 2)
        return on_image[..., :2] / on_image[..., 2:]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Camera:
        """The same cameras on another device or in another floating-point type."""
        return replace(
            self,
            viewmats=self.viewmats.to(device=device, dtype=dtype),
            intrinsics=self.intrinsics.to(device=device, dtype=dtype),
        )


def nerf_to_opencv(camera_to_world: Float[Tensor, "*B 4 4"]) -> Float[Tensor, "*B 4 4"]:
    """World-to-camera matrices of the renderer from the data set's camera-to-world ones.

    NeRF's camera looks along -z with y up, OpenCV's along +z with y down: the camera's y and z axes change sign, and
    the rigid transform is inverted (rotation transposed, so that it stays exactly orthogonal).
    """
    rotation = camera_to_world[..., :3, :3] * camera_to_world.new_tensor([1.0, -1.0, -1.0])
    world_to_camera = torch.zeros_like(camera_to_world)
    world_to_camera[..., :3, :3] = rotation.transpose(-1, -2)
    world_to_camera[..., :3, 3:] = -(rotation.transpose(-1, -2) @ camera_to_world[..., :3, 3:])
    world_to_camera[..., 3, 3] = 1
    return world_to_camera
