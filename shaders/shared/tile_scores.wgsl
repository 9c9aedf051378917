        // The products of a tile of left rows and a block of right rows, 16 columns at a time.
        // Needs: tile_head; `load_a`, `load_b`; PACE; `block`, the first right row.
        // Gives: s_q_h, the q-th right row of this invocation against its h-th four left rows.
#for q in 0..BP/TX
#for h in 0..BQ/64
        var s_${q}_${h} = vec4<f32>(0.0);
#endfor
#endfor
        for (var k = 0u; k < p.width; k += 4u) {
            // Fetched before the barrier: others may still work on the slice before.
            let at = k + local % 4u;
            let inside = at < p.width;
            let column = min(at, p.width - 1u);
#for i in 0..BP/4/TX
            let x_${i} = load_b(min(block + local / 4u + ${i*TX*4}u, p.last - 1u) * p.pattern_width + column);
#endfor
            workgroupBarrier();
#for i in 0..BQ/4/TX
            let q_${i} = load_a(min(row0 + local / 4u + ${i*TX*4}u, p.rows - 1u) * p.width + column);
#for s in 0..4
            tile[(local % 4u * 4u + ${s}u) * ${BQ/4+1}u + ${i*TX}u + local / 16u][local / 4u % 4u] = select(0.0, q_${i}[${s}], inside);
#endfor
#endfor
#for i in 0..BP/4/TX
#for s in 0..4
            tile[${(BQ/4+1)*16}u + (local % 4u * 4u + ${s}u) * ${BP/4+1}u + ${i*TX}u + local / 16u][local / 4u % 4u] = select(0.0, x_${i}[${s}], inside);
#endfor
#endfor
            workgroupBarrier();
            // PACE steps at a time, and the operand that is read last is used first: one wait for all.
#for t in 0..16/PACE
            {
#for s in t*PACE..t*PACE+PACE
#for h in 0..BQ/64
                let q_${s}_${h} = tile[${(BQ/4+1)*s}u + ${h*16}u + ty];
#endfor
#for g in 0..BP/4/TX
                let x_${s}_${g} = tile[${(BQ/4+1)*16}u + ${(BP/4+1)*s}u + ${g*TX}u + tx];
#endfor
#endfor
#for s in 1..PACE+1
#for r in 1..BP/TX+1
#for h in 0..BQ/64
                s_${BP/TX-r}_${h} = fma(vec4<f32>(x_${t*PACE+PACE-s}_${(BP/TX-r)/4}[${(BP/TX-r)%4}]), q_${t*PACE+PACE-s}_${h}, s_${BP/TX-r}_${h});
#endfor
#endfor
#endfor
            }
#endfor
        }
