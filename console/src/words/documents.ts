// Why a document could not be read, cut or indexed, in Japanese: the record keeps it as a sentence, without a code.
// `tests/http/console/test_document_errors.py` holds this against the server's sentences.
import { language } from './words.ts'

/** Sentences, and parts of them. */
const DOCUMENTS: readonly (readonly [RegExp, string])[] = [
  [
    /^Failed to extract text from (.+?): it is broken \((.+)\)\.$/s,
    '$1 のテキストを取り出せません: ファイルが壊れています（$2）',
  ],
  [
    /^Failed to extract text from (.+?): it is nested too deeply\.$/,
    '$1 のテキストを取り出せません: 入れ子が深すぎます',
  ],
  [/^Failed to extract text from (.+?): (.+)\.$/s, '$1 のテキストを取り出せません: $2'],
  [/^it is encrypted with a password$/, 'パスワードで暗号化されています'],
  [
    /^it is an old binary Office file with the wrong extension$/,
    '古い形式の Office ファイルで、拡張子が正しくありません',
  ],
  [/^it is broken, or not of this format$/, '壊れているか、この形式ではありません'],
  [/^it is broken, or not an EPUB$/, '壊れているか、EPUB ではありません'],
  [/^it is broken, or not a PDF$/, '壊れているか、PDF ではありません'],
  [/^it unpacks to more than (\d+) MiB or (\d+) parts$/, '展開すると $1 MiB または $2 個を超えます'],
  [/^it is not a text file$/, 'テキストファイルではありません'],
  [/^it is not an e-mail$/, 'メールではありません'],
  [/^it is not an Outlook message$/, 'Outlook のメッセージではありません'],
  [/^it is not an Excel file$/, 'Excel のファイルではありません'],
  [/^Unsupported Extension Type: (.+)$/s, '拡張子 $1 には対応していません'],
  [/^Unsupported MIME type: (.+)$/s, 'MIME タイプ $1 には対応していません'],
  [
    /^Unable to determine file type: MIME type or file extension is missing$/,
    '拡張子も MIME タイプもないため、ファイルの種類が分かりません',
  ],
  [
    /^The old format (.+) cannot be read\. Convert the file to (.+)\.$/s,
    '古い形式 $1 は読めません。$2 に変換してください。',
  ],
  [
    /^Reading (.+) files needs packages that are not installed: (.+)$/s,
    '$1 のファイルを読むためのパッケージがインストールされていません: $2',
  ],
  [/^The document takes more than (.+) seconds to read\.$/, 'ドキュメントを読むのに $1 秒を超えました。'],
  [
    /^The document cannot be read: it is broken, or too much for its reader\.$/,
    'ドキュメントを読めません: 壊れているか、大きすぎます。',
  ],
  [/^The server is stopping\.$/, 'サーバーを停止しています。'],
  [/^The process that reads documents does not start: (.+)\.$/s, 'ドキュメントを読むプロセスを起動できません: $1。'],
  [
    /^The document has more than (\d+) bytes of text \(set by JIKKO_DOCUMENT_TEXT\)\.$/,
    'ドキュメントのテキストが $1 バイトを超えています（JIKKO_DOCUMENT_TEXT で変えられます）。',
  ],
  [
    /^It could not be indexed: (.+)\. The server's log tells more\.$/s,
    '索引を作れませんでした: $1。詳しくはサーバーのログにあります。',
  ],
  [/^(.+) \(attempt (\d+); the next one follows in (\d+) s\)$/s, '$1（$2 回目。$3 秒後にもう一度試します）'],
  [/^Custom segment length should be between (\d+) and (\d+)\.$/, '区切りの長さは $1 から $2 までにしてください。'],
  [
    /^The overlap of chunks \((\d+)\) is larger than a chunk \((\d+)\)\.$/,
    '区切りの重なり（$1）が区切りの長さ（$2）より大きくなっています。',
  ],
  [/^No subchunk segmentation found in rules\.$/, '子の区切り方がルールにありません。'],
]

/** The error of a document, in Japanese where it is known. */
export function documentError(text: string): string {
  if (language() !== 'ja') return text
  for (const [says, words] of DOCUMENTS) {
    const found = says.exec(text)
    if (found) return words.replace(/\$(\d)/g, (_, place: string) => documentError(found[Number(place)] ?? ''))
  }
  return text
}
