// Needs: nothing.
// Gives: `group_number`, `MASKED`.

// Number of this workgroup: dispatches beyond 65,535 groups use a second dimension.
fn group_number(id: vec3<u32>, count: vec3<u32>) -> u32 {
    return id.y * count.x + id.x;
}

// Stands for minus infinity; see MASKED in src/ops/similarity.rs.
const MASKED: f32 = -1e30;
