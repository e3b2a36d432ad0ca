"""phi, the small convolution behind every upsampled code map, and which scale uses which."""

from torch import Tensor, nn

IDENTITY_UP_TO = 1e-6  # so small a ratio means no convolution at all


class ResidualConvolution(nn.Conv2d):
    """phi(h) = (1 - ratio) h + ratio conv3x3(h)  (VAR, section 3.2, algorithms 1 and 2)"""

    def __init__(self, channels: int, ratio: float) -> None:
        super().__init__(channels, channels, 3, padding=1)
        self.ratio = ratio

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002, the name is nn.Conv2d's
        """(N, C, H, W) -> same"""
        return input.lerp(super().forward(input), self.ratio)


class ResidualConvolutions(nn.Module):
    """`num_phi` convolutions spread over the scales; 0 gives every scale its own.

    The three forms of the checkpoint keys are `{k}.` (one each), `qresi.` (one for all) and
    `qresi_ls.{k}.` (several, shared by neighbours).
    """

    def __init__(self, channels: int, ratio: float, *, num_phi: int, num_scales: int) -> None:
        super().__init__()
        self.num_phi = num_phi or num_scales
        convolutions = [
            nn.Identity() if abs(ratio) <= IDENTITY_UP_TO else ResidualConvolution(channels, ratio)
            for _ in range(self.num_phi)
        ]
        if num_phi == 0:
            for index, convolution in enumerate(convolutions):
                self.add_module(str(index), convolution)
        elif num_phi == 1:
            self.qresi = convolutions[0]
        else:
            self.qresi_ls = nn.ModuleList(convolutions)
        self._in_order = convolutions  # a plain list registers nothing twice

    def forward(self, features: Tensor, scale: int, num_scales: int) -> Tensor:
        """phi of one scale: (N, C, H, W) -> same"""
        return self._in_order[phi_index(scale, num_scales, self.num_phi)](features)


def phi_index(scale: int, num_scales: int, num_phi: int) -> int:
    """Which of `num_phi` convolutions a scale uses: the nearest tick, the first of equals.

    Positions and ticks are computed in the order of VAR's float64 arithmetic, because scales 2
    and 7 of ten lie midway between two of four ticks and the last bit decides them.
    """
    position = scale / max(num_scales - 1, 1)
    margin = 1 / 3 / num_phi if num_phi == 4 else 1 / 2 / num_phi
    step = (1 - margin - margin) / max(num_phi - 1, 1)
    ticks = [index * step + margin for index in range(num_phi - 1)]
    ticks.append(1 - margin if num_phi > 1 else margin)
    return min(range(num_phi), key=lambda index: abs(ticks[index] - position))
