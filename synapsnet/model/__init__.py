r"""SynapsNet: a deep model of a neuronal population whose only pathway between neurons is `W`.

After Delavari, Oruc and Murphy (2024), arXiv:2411.08221: every neuron has a latent embedding, sends
and receives currents through a directed functional connectivity, and one decoder, shared by all
neurons and applied to each separately, predicts the neuron's next activity. The equations are ours
(the paper's text was not available to us). With activity :math:`x_j(t)`,

.. math::
    h_j(t)    &= \textstyle\sum_{l=1}^{L} k_j(l)\, x_j(t-l)          && \text{synaptic kernel of neuron } j \\
    I_i(t)    &= \textstyle\sum_{j \ne i} W_{ij}\, h_j(t)            && \text{input current of neuron } i \\
    \eta_i(t) &= I_i(t) + D\big(I_i(t),\; x_i(t-1 \ldots t-M),\; e_i,\; b(t-1)\big) && \text{shared decoder}

Each line is a module: `kernels`, `connectivity` and `decoders`. What :math:`\eta` means for the next step is a fourth,
`likelihoods`: the log odds of a spike (Bernoulli), a log rate (Poisson), or the mean of a frame (Gaussian), in which
case it is linear in the current. `network` puts the parts together.

`W` has a Laplace prior in training, so that forecasts do not carry the noise of absent connections; afterwards the
posterior mean replaces it if that forecasts the validation part better. Both the prior and the learning rate need to
know how large a detectable weight is, so `W` is parametrised in units of its standard error. Connectivity is inferred
from the trained model in `synapsnet.fitted` and `synapsnet.inference`.
"""

from synapsnet.model.network import Architecture, SynapsNetModel

__all__ = ["Architecture", "SynapsNetModel"]
