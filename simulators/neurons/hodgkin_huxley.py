"""Hodgkin-Huxley neurons with conductance synapses: the model of Traub & Miles (1991) as in Brette et al. 2007.

The membrane of `simulators.neurons.conductance` with a sodium and a potassium current::

    tau dv/dt = rest - v - g_na m^3 h (v - e_na) - g_k n^4 (v - e_k) + synapses
    dm/dt = alpha_m (1 - m) - beta_m m,   h and n likewise,   with u = v + 63 mV, rates per ms:

    alpha_m = 0.32 (13 - u)/(exp((13 - u)/4) - 1)       beta_m = 0.28 (u - 40)/(exp((u - 40)/5) - 1)
    alpha_h = 0.128 exp((17 - u)/18)                    beta_h = 4/(1 + exp((40 - u)/5))
    alpha_n = 0.032 (15 - u)/(exp((15 - u)/5) - 1)      beta_n = 0.5 exp((10 - u)/40)

g_na = 100 and g_k = 30 mS/cm^2, 2,000 and 600 times the leak of 0.05 mS/cm^2, e_na = 50 and e_k = -90 mV.
Brette, R. et al. (2007), J Comput Neurosci 23:349, appendix B, benchmark 3.

At these parameters the sodium current leaves the neuron no stable potential near -60 mV: without any input it fires
at 13.9 Hz, and a drive of -4 mV or less silences it.
"""

from __future__ import annotations

from simulators.model import Model
from simulators.neurons.conductance import ON_PRE, SYNAPSES, ConductanceNetwork
from simulators.units import MILLI

# x/(exp(x) - 1) is 1/exprel(x), which is defined at 0 too.
EQUATIONS = (
    """
dv/dt = (rest - v + drive + external + ge*(excitatory_reversal - v) + gi*(inhibitory_reversal - v)
    - 2000*m**3*h*(v - 50*mV) - 600*n**4*(v + 90*mV))/tau : volt
u = v/mV + 63 : 1
dm/dt = (1.28/exprel((13 - u)/4)*(1 - m) - 1.4/exprel((u - 40)/5)*m)/ms : 1
dh/dt = (0.128*exp((17 - u)/18)*(1 - h) - 4/(1 + exp((40 - u)/5))*h)/ms : 1
dn/dt = (0.16/exprel((15 - u)/5)*(1 - n) - 0.5*exp((10 - u)/40)*n)/ms : 1
"""
    + SYNAPSES
)


class HodgkinHuxleyNetwork(ConductanceNetwork):
    """What all networks of Hodgkin-Huxley neurons share. Parameters are those of `ConductanceNetwork`.

    Weights and `noise_mv` refer to the passive membrane, as if the sodium and the potassium channels were blocked.
    In the unblocked neuron, held at -70 mV by a drive of -10 mV, potentials are within 2% of those of a passive
    membrane there; nearer to the threshold the sodium current enlarges them.
    """

    def model(self) -> Model:
        return Model(
            equations=EQUATIONS,
            threshold="v > -20*mV",
            reset="",
            on_pre=ON_PRE,
            synapse="w : 1",
            each_step="v += noise*sqrt(2*dt/tau)*randn()",
            constants=self.constants(),
            refractory="v > -20*mV",  # counts each spike once
            dt_s=self.dt_ms * MILLI,
            method="exponential_euler",
        )
