        // The padding of a vector of results, one per row, stays zero.
        // Needs: `row`, `p.rows`, `out`.
        // Gives: zeros behind the last result.
#for i in 1..4
        if row + 1u == p.rows && row % 4u + ${i}u < 4u {
            out[row + ${i}u] = 0.0;
        }
#endfor
