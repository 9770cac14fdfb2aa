"""Learning more from labelled voxels on which two networks disagree (MCF, Wang 2023)."""

from __future__ import annotations

from torch import Tensor


def confident_disagreement(first: Tensor, second: Tensor, threshold: float) -> Tensor:
    """Voxels where two networks predict different classes and at least one of them is confident.

    MCF (Wang 2023) for any number of classes. Its code, for two classes, takes the voxels that exactly one network
    predicts confidently as foreground.

    Args:
        first, second: probabilities BCDHW, summing to 1 over C.
        threshold: least probability of the predicted class, 0..1.

    Returns:
        BDHW bool.

    Examples:
        >>> import torch
        >>> p = torch.tensor([[0.5, 0.9], [0.5, 0.1]]).reshape(1, 2, 1, 1, 2)  # two voxels: unsure, sure
        >>> q = torch.tensor([[0.5, 0.1], [0.5, 0.9]]).reshape(1, 2, 1, 1, 2)  # the second is sure of the other class
        >>> confident_disagreement(p, q, threshold=0.8).flatten()
        tensor([False,  True])
    """
    (sure, class_), (other_sure, other_class) = first.detach().max(1), second.detach().max(1)
    return (class_ != other_class) & ((sure >= threshold) | (other_sure >= threshold))


def rectification(probabilities: Tensor, label: Tensor, mask: Tensor) -> Tensor:
    """Mean over the selected voxels of ‖p - onehot(y)‖², exactly 0 for an empty mask.

    MCF (Wang 2023); its code, for two classes, takes only the foreground's squared error, which is half of this.

    Args:
        probabilities: BCDHW, of the network that learns.
        label: B1DHW integer in 0..C-1.
        mask: BDHW bool.

    Returns:
        A scalar, 0..2.

    Examples:
        >>> import torch
        >>> p = torch.tensor([[0.5, 0.9], [0.5, 0.1]]).reshape(1, 2, 1, 1, 2)  # two voxels: unsure, sure
        >>> q = torch.tensor([[0.5, 0.1], [0.5, 0.9]]).reshape(1, 2, 1, 1, 2)  # the second is sure of the other class
        >>> label = torch.zeros(1, 1, 1, 1, 2, dtype=torch.int64)
        >>> second = torch.tensor([False, True]).reshape(1, 1, 1, 2)
        >>> round(float(rectification(p, label, second)), 4), round(float(rectification(q, label, second)), 4)
        (0.02, 1.62)
    """
    right = probabilities.gather(1, label.long())[:, 0]
    error = probabilities.square().sum(1) - 2 * right + 1  # ‖p - onehot(y)‖²
    return (error * mask).sum() / mask.sum().clamp_min(1)
