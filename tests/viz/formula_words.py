"""What the functions in the formulas' expressions compute: plain NumPy and loops, by the words that pictures show.

`namespace` gives the names of one application of an operation: its operands and options, z, dz, and every function.
Nothing here is shared with the rules.
"""

import math

import numpy as np

from tests.oracles import indices, pooling_windows

MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "symmetric": "symmetric"}


def namespace(names, arrays, options, z, dz, wanted):
    """The names in the expressions of one application.

    Args:
        names: of the operands, one for each array; several arrays of one name are one list.
        arrays: the operands.
        options: of the application.
        z: the result.
        dz: the upstream gradient.
        wanted: the shape of what the expression makes: that of the result or of an operand.
    """
    found = dict(zip(names, arrays, strict=True))
    if "xs" in found:
        found["xs"] = list(arrays)
    axes = _axes(options, found)
    kept = _kept(z, found, axes)
    found |= {
        name: np.inf if value is None else value for name, value in options.items() if name != "found"
    }
    found |= {"z": z.reshape(kept), "dz" if "dz" not in found else "g": dz.reshape(kept)}
    if "shift" in options:
        found["shift"] = np.array(options["shift"])
    if "bias" in found and "groups" in options:
        found["bias"] = found["bias"].reshape(-1, *(1,) * (z.ndim - 2))
    found = {"bias": 0, "shift": 0, "bound": np.inf} | found
    functions = {**ELEMENTWISE, **_reductions(axes), **_rearrangements(found, options, wanted)}
    if "stride" in options and "groups" in options:
        functions |= _correlations(found, options, wanted)
    elif {"kernel", "table", "indices"} & options.keys():
        functions |= _windows(found, options, wanted)
    elif "maps" in options:
        functions |= _maps(options)
    elif "equation" in options:
        functions["contracted"] = _aligned(found, options["equation"])
    return functions | found


def _axes(options, found):
    """The axes that the operation goes over: those of the option, or the classes of a cross entropy."""
    axis = options.get("axis", 1 if "target" in found and "pos_weight" not in found else None)
    return tuple(axis) if isinstance(axis, tuple | list) else axis if axis is None else (axis,)


def _kept(z, found, axes):
    """The shape of z with the axes in place that the operation reduced."""
    x = found.get("x")
    if axes is None or x is None:
        return z.shape
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    return kept if z.size == math.prod(kept) else z.shape


# Elementwise


def sigmoid(x):
    return np.where(x > 0, 1 / (1 + np.exp(-np.abs(x))), 1 - 1 / (1 + np.exp(-np.abs(x))))


ELEMENTWISE = vars(np) | {
    "sigmoid": sigmoid,
    "softplus": lambda x: np.maximum(x, 0) + np.log(1 + np.exp(-np.abs(x))),
    "erf": np.vectorize(math.erf, otypes=[float]),
    "angle": np.vectorize(lambda x, y: math.atan2(y, x), otypes=[float]),
    "exactly_one": lambda x, y: x != y,
    "whether": lambda x: x,
}


# Over axes


def _reductions(axes):
    def over(function):
        return lambda x: function(x, axis=axes, keepdims=True)

    def row_by_row(function, *arrays):
        """The function of the rows along the axis."""
        rows = [np.moveaxis(x, axes[0], -1) for x in arrays]
        found = np.empty(rows[0].shape)
        for i in indices(found.shape[:-1]):
            found[i] = function(*(x[i] for x in rows))
        return np.moveaxis(found, -1, axes[0])

    def sums_from(v, n):
        return [sum(v[k:n]) for k in range(n)]

    def slopes_of_products(dz, x):
        n = len(x)
        return [
            sum(dz[k] * math.prod(x[i] for i in range(k + 1) if i != j) for k in range(j, n)) for j in range(n)
        ]

    return {
        "sum": over(np.sum),
        "mean": over(np.mean),
        "var": over(np.var),
        "prod": over(np.prod),
        "max": over(np.max),
        "min": over(np.min),
        "any_of": over(np.any),
        "all_of": over(np.all),
        "count": over(np.count_nonzero),
        "argmax": over(np.argmax) if axes is None else lambda x: np.argmax(x, axes[0]),
        "argmin": over(np.argmin) if axes is None else lambda x: np.argmin(x, axes[0]),
        "terms": lambda x: math.prod(x.shape[i] for i in axes),
        "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=axes, keepdims=True),
        "total": np.sum,
        "sum_shared": lambda x: x,  # the test sums over the axes that were broadcast
        "at_first": lambda is_winner, dz: _at_first(is_winner, dz, axes),
        "product_of_others": lambda x: _product_of_others(x, axes),
        "running_sum": lambda x: row_by_row(np.cumsum, x),
        "running_sum_from_end": lambda x: row_by_row(lambda v: [sum(v[k:]) for k in range(len(v))], x),
        "running_product": lambda x: row_by_row(np.cumprod, x),
        "sum_from_here": lambda dz, x: row_by_row(slopes_of_products, dz, x),
    }


def _group(i, axes):
    """Which result the element at index i is reduced to."""
    return tuple(0 if axis in axes else place for axis, place in enumerate(i))


def _at_first(is_winner, dz, axes):
    found, seen = np.zeros(is_winner.shape), set()
    for i in indices(is_winner.shape):
        if is_winner[i] and _group(i, axes) not in seen:
            seen.add(_group(i, axes))
            found[i] = dz[_group(i, axes)]
    return found


def _product_of_others(x, axes):
    found = np.ones(x.shape)
    for i in indices(x.shape):
        for j in indices(x.shape):
            if i != j and _group(i, axes) == _group(j, axes):
                found[i] *= x[j]
    return found


# Rearrangements


def _rearrangements(found, options, wanted):
    axis = options.get("axis")
    pairs = options.get("widths")

    def one_hot(target):
        return np.eye(found["x"].shape[1])[target] if target.ndim == 1 else target

    def sum_of_channels(x, before, after):
        padded = np.concatenate([np.zeros_like(x[:, :1])] * before + [x] + [np.zeros_like(x[:, :1])] * after, axis=1)
        return sum(padded[:, j : j + x.shape[1]] for j in range(before + after + 1))

    def added_at(dz, index):
        z = np.zeros(wanted)
        np.add.at(z, index, dz)
        return z

    def continued(x):
        return np.pad(x, pairs, MODES[options["mode"]])

    def folded_back(dz):
        source = continued(np.arange(math.prod(wanted)).reshape(wanted))
        z = np.zeros(math.prod(wanted))
        for i in indices(source.shape):
            z[source[i]] += dz[i]
        return z.reshape(wanted)

    def own_part(dz):
        start = found["starts"][found["index"]]
        return np.moveaxis(np.moveaxis(dz, axis, 0)[start : start + wanted[axis]], 0, axis)

    def shuffled(x, r):
        *lead, channels, height, width = x.shape
        z = np.empty((*lead, channels // r**2, height * r, width * r))
        for *n, c, i, j in indices(z.shape):
            z[*n, c, i, j] = x[*n, r * r * c + r * (i % r) + j % r, i // r, j // r]
        return z

    def unshuffled(x, r):
        z = np.empty(wanted)
        for *n, c, i, j in indices(x.shape):
            z[*n, r * r * c + r * (i % r) + j % r, i // r, j // r] = x[*n, c, i, j]
        return z

    return {
        "samples": len,
        "one_hot": one_hot,
        "onehot": lambda labels: np.eye(options["classes"])[labels],
        "sum_of_samples": lambda x: x.reshape(-1, x.shape[-1]).sum(axis=0),
        "sum_of_pixels": lambda x: x.sum(axis=(0, *range(2, x.ndim))),
        "sum_of_channels": sum_of_channels,
        "reshaped": lambda x: x.reshape(wanted),
        "in_shape_of": lambda dz, x: dz.reshape(x.shape),
        "with_axes_moved": lambda x: x.transpose(options["axes"]),
        "with_axes_back": lambda dz: np.moveaxis(dz, range(dz.ndim), options["axes"]),
        "repeated": lambda x: np.broadcast_to(x, wanted),
        "sum_of_repetitions": lambda dz: dz,  # the test sums over the axes that were broadcast
        "added_at": added_at,
        "joined": lambda xs: np.concatenate(xs, axis),
        "own_part": own_part,
        "reversed": lambda x: np.flip(x, axis),
        "rolled": lambda x, shift: np.roll(x, shift, axis),
        "bordered": lambda x, value: np.pad(x, pairs, constant_values=value),
        "continued": continued,
        "inside": lambda dz: dz[tuple(slice(a, n - b) for n, (a, b) in zip(dz.shape, pairs, strict=True))],
        "folded_back": folded_back,
        "of_dtype": lambda x: x.astype(options["dtype"]),
        "of_dtype_of": lambda dz, x: dz.astype(x.dtype),
        "on_device": lambda x: x,
        "on_device_of": lambda dz, x: dz,
        "shuffled": shuffled,
        "unshuffled": unshuffled,
    }


def _aligned(found, equation):
    """Operands with an axis for each letter of the equation, so that they multiply, and what sums over the letters."""
    inputs, _, output = equation.partition("->")
    letters = dict(zip("xyz", (*inputs.split(","), output), strict=True))
    every = sorted(set("".join(letters.values())))
    for name, own in (*letters.items(), ("dz", letters["z"])):
        if name in found:
            order = sorted(own)
            aligned = np.moveaxis(found[name], [own.index(letter) for letter in order], range(len(order)))
            found[name] = aligned.reshape([aligned.shape[order.index(i)] if i in order else 1 for i in every])
    sizes = np.broadcast_shapes(*(found[name].shape for name in letters))

    def contracted(value, name):
        own = letters[name]
        lacking = tuple(i for i, letter in enumerate(every) if letter not in own)
        summed = np.broadcast_to(value, sizes).sum(axis=lacking)
        left = [letter for letter in every if letter in own]
        return summed.transpose([left.index(letter) for letter in own])

    return contracted


# Correlations


def _correlations(found, options, wanted):
    stride, dilation, pairs, groups = (options[name] for name in ("stride", "dilation", "padding", "groups"))
    kernel = next(found[name].shape[2:] for name in ("weight", "rotated", "g") if name in found)
    if "kernel" in options:
        kernel = options["kernel"]
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]

    def with_zeros(x, widths):
        """The border, or less than x where a width is negative."""
        cut = x[(..., *(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape[2:], widths, strict=True)))]
        return np.pad(cut, [(0, 0), (0, 0), *((max(a, 0), max(b, 0)) for a, b in widths)])

    def correlate(x, weight):
        """Each window's products with the kernels, summed over the channels."""
        x = with_zeros(x, pairs)
        filters, channels = weight.shape[:2]
        z = np.zeros(wanted)
        for n, f, *p in indices(wanted):
            for c, *k in indices(weight.shape[1:]):
                place = [s * i + d * j for s, i, d, j in zip(stride, p, dilation, k, strict=True)]
                z[n, f, *p] += x[n, f // (filters // groups) * channels + c, *place] * weight[f, c, *k]
        return z

    def dilated(x, factors):
        z = np.zeros((*x.shape[:2], *(s * (n - 1) + 1 for s, n in zip(factors, x.shape[2:], strict=True))))
        z[(..., *(slice(None, None, s) for s in factors))] = x
        return z

    def padded(x):
        """Zeros before and behind, so that every place of the result has a window."""
        widths = []
        for n, m, r, (before, _) in zip(x.shape[2:], wanted[2:], reach, pairs, strict=True):
            widths.append((r - before, m + before - n))
        return with_zeros(x, widths)

    def correlate_filters(x, rotated):
        """Each window's products with the kernels, summed over the filters."""
        filters, channels = rotated.shape[:2]
        z = np.zeros(wanted)
        for n, f in indices(x.shape[:2]):
            for c, *k in indices(rotated.shape[1:]):
                for p in indices(wanted[2:]):
                    place = [i + d * j for i, d, j in zip(p, dilation, k, strict=True)]
                    z[n, f // (filters // groups) * channels + c, *p] += x[n, f, *place] * rotated[f, c, *k]
        return z

    def correlate_images(x, dz):
        """The products of x and dz at each place of the kernel, summed over the images."""
        x = with_zeros(x, pairs)
        filters, channels = wanted[:2]
        z = np.zeros(wanted)
        for f, c, *k in indices(wanted):
            for n, *p in indices((len(dz), *dz.shape[2:])):
                place = [i + d * j for i, d, j in zip(p, dilation, k, strict=True)]
                z[f, c, *k] += x[n, f // (filters // groups) * channels + c, *place] * dz[n, f, *p]
        return z

    def stamped(x, weight, factors):
        """Every x times the kernel, added to the result, which is cut to its size."""
        batch, filters, *size = wanted
        whole = [s * n + r + m for s, n, r, m in zip(factors, x.shape[2:], reach, size, strict=True)]
        z = np.zeros((batch, filters, *whole))
        outputs = weight.shape[1]
        for n, c, *i in indices(x.shape):
            for f, *k in indices(weight.shape[1:]):
                place = [s * a + d * b for s, a, d, b in zip(factors, i, dilation, k, strict=True)]
                z[n, c // (x.shape[1] // groups) * outputs + f, *place] += x[n, c, *i] * weight[c, f, *k]
        return z[(..., *(slice(a, a + m) for (a, _), m in zip(pairs, size, strict=True)))]

    return {
        "correlate": correlate,
        "correlate_filters": correlate_filters,
        "correlate_images": correlate_images,
        "dilated": dilated,
        "padded": padded,
        "rot180": lambda x: np.flip(x, tuple(range(2, x.ndim))),
        "stamped": stamped,
    }


# Windows and regions


def _windows(found, options, wanted):
    """What is done with the elements of every window, or of every listed region."""
    shape = found["z"].shape if "size" in options else found["x"].shape
    plane = shape[2:]
    kernel = options.get("kernel")
    if "table" in options:
        table = np.broadcast_to(options["table"], (*shape[:2], *options["table"].shape[2:]))
        places = {i: _listed(i, table[i], plane) for i in indices(table.shape[:-1])}
    elif "indices" in options:
        table = np.broadcast_to(options["indices"], (*shape[:2], *options["indices"].shape[2:]))
        places = {i: _listed(i, table[i], plane) for i in indices(table.shape)}
    else:
        geometry = (kernel, options["stride"], options["padding"], options["dilation"])
        places = {i: inside for i, inside, _ in pooling_windows(shape, *geometry)[1]}
    out = tuple(max(along) + 1 for along in zip(*places, strict=True))

    def entry(i, k):
        """The place of entry k of window i, or None in the padding."""
        place = tuple(
            s * a + d * b - before
            for s, a, d, b, (before, _) in zip(
                options["stride"], i[2:], options["dilation"], k, options["padding"], strict=True
            )
        )
        return (*i[:2], *place) if all(0 <= a < n for a, n in zip(place, plane, strict=True)) else None

    def winners(i):
        if "winners" in options:
            return [entry(i, np.unravel_index(options["winners"][i], kernel))]
        x = found["x"]
        return [j for j in places[i] if x[j] == max(x[j] for j in places[i])]

    def gathered(make):
        z = np.zeros(out)
        for i in places:
            z[i] = make(i)
        return z

    def scattered(v, targets):
        z = np.zeros(shape)
        for i in places:
            for j in targets(i):
                z[j] += v[i] / len(targets(i))
        return z

    def windows(x):
        z = np.zeros((*out, *kernel))
        for i in indices(out):
            for k in indices(kernel):
                z[*i, *k] = 0 if entry(i, k) is None else x[entry(i, k)]
        return z

    def put_back(v):
        if v.ndim == 3:  # columns
            v = np.moveaxis(v.reshape(*shape[:2], *kernel, *out[2:]), range(2, 2 + len(kernel)), range(-len(kernel), 0))
        z = np.zeros(shape)
        for i in indices(out):
            for k in indices(kernel):
                if entry(i, k) is not None:
                    z[entry(i, k)] += v[*i, *k]
        return z

    def columns_of_windows(x):
        columns = np.moveaxis(windows(x), range(-len(kernel), 0), range(2, 2 + len(kernel)))
        return columns.reshape(shape[0], shape[1] * math.prod(kernel), math.prod(out[2:]))

    def count(i):
        """How many entries of window i count."""
        return sum(
            all(
                -a <= s * p + d * b - before < n + c
                for s, p, d, b, (before, _), (a, c), n in zip(
                    options["stride"], i[2:], options["dilation"], k, options["padding"], options["counted"], plane,
                    strict=True,
                )
            )
            for k in indices(kernel)
        )  # fmt: skip

    def shared(dz):
        z = np.zeros(shape)
        for i in places:
            for j in places[i]:
                z[j] += dz[i] / count(i)
        return z

    return {
        "mean_of_windows": lambda x: gathered(lambda i: sum(x[j] for j in places[i]) / count(i)),
        "shared_in_windows": shared,
        "largest": lambda x, _: gathered(lambda i: max(x[j] for j in places[i])),
        "to_first_winners": lambda dz, _: scattered(dz, lambda i: winners(i)[:1]),
        "to_all_winners": lambda dz, _: scattered(dz, winners),
        "at_first_winners": lambda x, _: gathered(lambda i: x[winners(i)[0]]),
        "indices_of_winners": lambda x, _: gathered(lambda i: np.ravel_multi_index(winners(i)[0][2:], plane)),
        "at_indices": lambda x: gathered(lambda i: x[places[i][0]]),
        "added_at_indices": lambda dz: scattered(dz, lambda i: places[i]),
        "windows": windows,
        "put_back": put_back,
        "columns_of_windows": columns_of_windows,
    }


def _listed(i, flat, plane):
    """The elements of a region whose flat indices into the plane are listed, -1 for none."""
    return [(*i[:2], *map(int, np.unravel_index(j, plane))) for j in np.ravel(flat) if j >= 0]


def _maps(options):
    """What is done with a linear map along each of the last axes, a matrix of weights."""
    matrices = []
    for each in options["maps"]:
        matrix = np.zeros((len(each.rows), each.size))
        for p, row in enumerate(each.rows):
            for i, weight in row:
                matrix[p, i] += float(weight)
        matrices.append(matrix)

    def along_axes(x, maps):
        for axis, matrix in zip(range(-len(maps), 0), maps, strict=True):
            x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
        return x

    def means(matrix):
        return matrix / matrix.sum(axis=1, keepdims=True)

    return {
        "weighted": lambda x: along_axes(x, matrices),
        "shared_by_weight": lambda dz: along_axes(dz, [matrix.T for matrix in matrices]),
        "mean_of_regions": lambda x: along_axes(x, [means(matrix) for matrix in matrices]),
        "shared_in_regions": lambda dz: along_axes(dz, [means(matrix).T for matrix in matrices]),
    }
