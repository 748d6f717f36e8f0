"""Training views cut on a GPU from canonical pixels that lie in its memory, where they fit."""
import torch

SHARE_OF_MEMORY = 1 / 3  # of the device's free memory that pixels may take


class Resident:
    "All training images' canonical pixels in one piece of a device's memory"
    def __init__(self, images, device):
        h, w = (torch.tensor([x.shape[k] for x in images]) for k in (0, 1))
        ends = (h * w).cumsum(0)
        self.width, self.start = (o.to(device) for o in (w, ends - h * w))
        self.flat = torch.empty(int(ends[-1]), 3, dtype=torch.uint8, device=device)
        for x, at in zip(images, (ends - h * w).tolist(), strict=True):
            self.flat[at:at + x.shape[0] * x.shape[1]] = torch.from_numpy(x.reshape(-1, 3)).to(device)
        self.h, self.w = h.numpy(), w.numpy()  # on the host, where boxes are drawn

    def cut(self, idxs, boxes, mirrored, sides):
        """uint8 [n, 3, h, w], channels-last: crops (x, y, width, height) of the images at `idxs`, brought to `sides`
        (w, h)
        """
        device = self.flat.device
        most_w, most_h = int(boxes[:, 2].max()), int(boxes[:, 3].max())
        idxs, boxes, mirrored = (torch.as_tensor(o).to(device) for o in (idxs, boxes, mirrored))
        x0, y0, w, h = boxes.T
        down = torch.arange(most_h, device=device)[None].minimum(h[:, None] - 1)
        right = torch.arange(most_w, device=device)[None].minimum(w[:, None] - 1)
        rows = (y0[:, None] + down) * self.width[idxs][:, None]
        cols = x0[:, None] + right
        places = self.start[idxs][:, None, None] + rows[:, :, None] + cols[:, None]
        x = self.flat[places].float()  # [n, most_h, most_w, 3]
        across, down = taps(w, sides[0], most_w), taps(h, sides[1], most_h)
        across = torch.where(mirrored[:, None, None], across.flip(1), across)
        x = torch.einsum("nyh,nhwc->nywc", down, torch.einsum("nxw,nhwc->nhxc", across, x))
        return x.round_().clamp_(0, 255).to(torch.uint8).permute(0, 3, 1, 2)


def taps(length, size, most):
    """Weights [n, size, most] that bring the first `length` [n] of `most` pixels to `size`: PIL's bilinear with
    antialiasing
    """
    scale = (length / size)[:, None, None]
    reach = scale.clamp(min=1)
    at, k = (torch.arange(o, device=length.device) + .5 for o in (size, most))
    inside = k[None, None] < length[:, None, None]
    weights = (1 - (k[None, None] - at[None, :, None] * scale).abs() / reach).clamp(min=0) * inside
    return weights / weights.sum(2, keepdim=True)


def fits(images, device, share=SHARE_OF_MEMORY):
    "Whether the pixels of `images` may lie in a CUDA device's memory beside a training"
    return device.type == "cuda" and sum(x.size for x in images) < share * torch.cuda.mem_get_info(device)[0]
