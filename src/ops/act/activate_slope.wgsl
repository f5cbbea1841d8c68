// SPDX-License-Identifier: MIT
// activate_slope.wgsl - the derivatives of the activation functions, shared by act_grad and glu_grad; formulas: op.c.
fn activate_slope(f: u32, x: f32) -> f32 {
    let c = clamp(x, -10.0, 10.0); // beyond, the slopes of gelu and of its approximation are 0 or 1
    switch f {
        case 1u: {
            let s = sigmoid(x);
            return s * (1.0 + x * (1.0 - s));
        }
        case 2u: { return 0.5 * (1.0 + erf(c * 0.70710678)) + c * 0.39894228 * exp_near(-0.5 * c * c); }
        case 3u: {
            let s = sigmoid(1.5957691216 * c * (1.0 + 0.044715 * c * c));
            return s + c * s * (1.0 - s) * 1.5957691216 * (1.0 + 0.134145 * c * c);
        }
        case 4u: { return select(0.0, 1.0, x > 0.0); }
        default: { return 1.0; }
    }
}

fn activate_slopes(f: u32, x: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(activate_slope(f, x.x), activate_slope(f, x.y), activate_slope(f, x.z), activate_slope(f, x.w));
}
