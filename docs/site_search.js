// Pages that say how it is come before those that say why, or since when. The weights are those of Sphinx.
const behind = page => (page.startsWith('decisions/') ? 200 : page === 'changelog' ? 100 : 0)
var Scorer = {
  score: ([page, , , , score]) => score - behind(page),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: {},
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
}
