// f32_row.wgsl - sixteen weights from element e of an F32 matrix on, e a multiple of 16.
fn weight16(e: u32) -> array<vec4<f32>, 4> {
    return array<vec4<f32>, 4>(bitcast<vec4<f32>>(weight_quad(e)), bitcast<vec4<f32>>(weight_quad(e + 4u)),
                               bitcast<vec4<f32>>(weight_quad(e + 8u)), bitcast<vec4<f32>>(weight_quad(e + 12u)));
}
