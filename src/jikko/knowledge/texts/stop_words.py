"""Words that say nothing of what a text is about, in lower case: English and Chinese function words."""

from typing import Final

_ENGLISH: Final = """
a about above after again against ain all am an and any are aren aren't as at be because been before being below
between both but by can couldn couldn't d did didn didn't do does doesn doesn't doing don don't down during each few for
from further had hadn hadn't has hasn hasn't have haven haven't having he her here hers herself him himself his how i if
in into is isn isn't it it's its itself just ll m ma me mightn mightn't more most mustn mustn't my myself needn needn't
no nor not now o of off on once only or other our ours ourselves out over own re s same shan shan't she she's should
should've shouldn shouldn't so some such t than that that'll the their theirs them themselves then there these they this
those through to too under until up ve very was wasn wasn't we were weren weren't what when where which while who whom
why will with won won't wouldn wouldn't y you you'd you'll you're you've your yours yourself yourselves
"""
_CHINESE: Final = """
一下 一个 一些 一样 一直 一种 一般 一边 万一 不但 不仅 不会 不光 不单 不只 不如 不是 不管 不论 不过 与其 为了 为什么
为何 之一 之前 之后 之间 也是 也许 于是 什么 什么样 仍然 从而 以上 以下 以便 以免 以及 以后 以前 任何 似乎 但是 何况
何时 使得 依照 便于 假如 假若 其中 其他 其它 其实 其次 再者 再说 几乎 别人 别的 即使 即便 却是 原来 及其 反之 另外
只是 只有 只要 可以 可是 可能 各个 各种 各自 同时 吗 否则 咱们 哪个 哪些 哪儿 哪里 因为 因此 因而 在于 基于 多少
大家 她们 好像 如何 如果 如此 如下 它们 完全 对于 对方 尽管 就是 就要 已经 并且 并非 应当 应该 当然 当时 怎么 怎么样
怎样 总之 总是 或是 或者 所以 所有 所谓 才能 抑或 按照 据此 接着 故此 既然 既是 无论 时候 是否 是的 有些 有关 有时
有的 本着 来自 某个 某些 根据 正如 此外 此时 此间 每个 每当 比如 比方 没有 然后 然而 照着 现在 甚至 由于 由此 直到
相对 相当 眼看 着 等等 紧接着 纵使 经过 继而 而且 而是 而言 自己 自从 至于 至少 若是 若非 虽然 虽说 虽则 要不 要是
譬如 设若 诸如 谁 谁知 起见 趁着 跟着 较之 还是 还有 这些 这个 这么 这儿 这样 这种 这里 进而 连同 通过 遵照 那些
那个 那么 那儿 那样 那种 那里 除了 除此 除非 随着 首先 鉴于 非但 他们 你们 我们 我的 你的 他的
"""
STOP_WORDS: Final = frozenset((_ENGLISH + _CHINESE).split())
