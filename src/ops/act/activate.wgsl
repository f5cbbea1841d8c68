// SPDX-License-Identifier: MIT
// activate.wgsl - the activation functions, shared by act and glu; formulas and papers: op.c. The numbers are tdl_act.
//
// WGSL promises little for exp and nothing for erf, and need not know infinities: e^x is computed here, from arguments
// that cannot overflow.

// e^x for |x| up to 80: x = n ln 2 + r, e^r = 1 + r + r^2 q(r), q a Chebyshev fit.
fn exp_near(x: f32) -> f32 {
    let n = round(x * 1.44269504);
    let r = (x - n * 0.693359375) + n * 2.12194440e-4;
    var q = 0.001392626805;
    q = q * r + 0.00836324667;
    q = q * r + 0.04166655411;
    q = q * r + 0.1666657658;
    q = q * r + 0.5;
    return ldexp((q * r) * r + r + 1.0, i32(n));
}

fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + exp_near(clamp(-x, -80.0, 80.0))); }

// To 1 x e(x^2), beyond it 1 - exp(-q(|x|)) with q = -log(erfc), both Chebyshev fits; past 4 erf is 1 in a float.
fn erf(x: f32) -> f32 {
    let s = x * x;
    var e = 7.875875063e-5;
    e = e * s - 0.0008016864287;
    e = e * s + 0.005189087423;
    e = e * s - 0.02685421201;
    e = e * s + 0.1128359472;
    e = e * s - 0.3761262667;
    e = e * s + 1.128379166;
    let size = min(abs(x), 4.0);
    var q = -1.637151415e-6;
    q = q * size + 4.605804269e-5;
    q = q * size - 0.0005968056257;
    q = q * size + 0.004759596293;
    q = q * size - 0.02642113601;
    q = q * size + 0.1100800829;
    q = q * size + 0.6318260516;
    q = q * size + 1.130233435;
    q = q * size - 0.0003201380497;
    if (size < 1.0) { return x * e; }
    return sign(x) * (1.0 - exp_near(-q));
}

fn activate(f: u32, x: f32) -> f32 {
    switch f {
        case 1u: { return x * sigmoid(x); }
        case 2u: { return 0.5 * x * (1.0 + erf(clamp(x, -10.0, 10.0) * 0.70710678)); }
        case 3u: {
            let c = clamp(x, -10.0, 10.0); // beyond, the sigmoid is 0 or 1
            return x * sigmoid(1.5957691216 * c * (1.0 + 0.044715 * c * c));
        }
        case 4u: { return max(x, 0.0); }
        default: { return x; }
    }
}
