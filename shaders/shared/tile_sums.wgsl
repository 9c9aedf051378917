        // The right rows of a block summed by weights, 16 rows at a time: those who have their weights lay them out. Where
        // no weight of the block counts (`weighty`) there is no work, but the barriers are the same: how many there are must
        // not hang on workgroup memory.
        // Needs: tile_head; `load_b`; D; `block`; s_q_h, the weights, laid out as tile_scores has them; `weighty`; o_i_j.
        // Gives: the sums, added onto o_i_j: the j-th vec4 of columns for the i-th left row of this invocation.
        for (var part = 0u; part < ${BP/16}u; part += 1u) {
#for i in 0..D/TX/4
            let at_${i} = local + ${i*TX*16}u;
            var y_${i} = vec4<f32>(0.0);
#endfor
            if weighty {
#for i in 0..D/TX/4
                y_${i} = load_b(min(block + part * 16u + at_${i} / ${D/4}u, p.last - 1u) * p.pattern_width + min(at_${i} % ${D/4}u, p.width - 1u));
#endfor
            }
            workgroupBarrier();
            if weighty && tx / 4u == part % ${TX/4}u {
#for g in 0..BP/4/TX
                if part / ${TX/4}u == ${g}u {
#for i in 0..4
#for h in 0..BQ/64
                    tile[(tx % 4u * 4u + ${i}u) * ${BQ/4+1}u + ${h*16}u + ty] = s_${g*4+i}_${h};
#endfor
#endfor
                }
#endfor
            }
#for i in 0..D/TX/4
            tile[${(BQ/4+1)*16}u + at_${i}] = y_${i};
#endfor
            workgroupBarrier();
            if weighty {
#for s in 0..16
                {
#for j in 0..D/TX/4
                    let x_${j} = tile[${(BQ/4+1)*16}u + ${D/4*s}u + ${j*TX}u + tx];
#endfor
#for h in 0..BQ/64
                    let w_${h} = tile[${(BQ/4+1)*s}u + ${h*16}u + ty];
#endfor
#for r in 1..BQ/16+1
#for j in 0..D/TX/4
                    o_${BQ/16-r}_${j} = fma(vec4<f32>(w_${(BQ/16-r)/4}[${(BQ/16-r)%4}]), x_${j}, o_${BQ/16-r}_${j});
#endfor
#endfor
                }
#endfor
            }
        }
