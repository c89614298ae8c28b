// What the server finds and says in sentences that have no code, in Japanese: findings of `jikko check`, what is to be
// mended, checks of the sandbox, problems of documents (`documents.ts`). `tests/http/console/test_sentences.py` holds this
// against the server's sentences.
import { DOCUMENTS } from './documents.ts'
import { language } from './words.ts'

type Sentence = readonly [RegExp, string]

/** Of findings of a file: what will happen, and what to do. */
const FINDINGS: readonly Sentence[] = [
  [/^the code is no Python: it is nested too deeply$/, 'コードを Python として読めません: 入れ子が深すぎます'],
  [
    /^the code is no Python: (.+) \(line (\d+) of the code\)$/s,
    'コードを Python として読めません: $1（コードの $2 行目）',
  ],
  [/^the code is no Python: (.+)$/s, 'コードを Python として読めません: $1'],
  [/^there is no module (.+) \(line (\d+) of the code\)$/s, 'モジュール $1 はありません（コードの $2 行目）'],
  [/^the code does not define a function main$/, 'コードに関数 main がありません'],
  [
    /^nothing says how to reach the provider (.+) of the model (.+)$/s,
    'モデル $2 の提供元 $1 への接続方法が設定されていません',
  ],
  [/^nothing says how to reach the provider (.+)$/s, '提供元 $1 への接続方法が設定されていません'],
  [/^nothing says how to reach (.+)$/s, '$1 への接続方法が設定されていません'],
  [/^add under 'providers:' in (.+?): (.+)$/s, "$1 の 'providers:' に追加してください: $2"],
  [/^add to the providers file: (.+)$/s, '提供元のファイルに追加してください: $1'],
  [/^add to (.+):$/s, '$1 に追加:'],
  [
    /^add it under 'extensions:' in the providers file: (.+)$/s,
    "提供元のファイルの 'extensions:' に追加してください: $1",
  ],
  [
    /^the entry (.+) of (.+) needs the environment variable (.+), which is not set$/s,
    '$2 の $1 には環境変数 $3 が必要ですが、設定されていません',
  ],
  [/^a file that JIKKO_PROVIDERS names$/, 'JIKKO_PROVIDERS が示すファイル'],
  [/^set it where Jikko is started$/, 'Jikko を起動する環境で設定してください'],
  [/^the provider type (.+) needs another library$/s, '提供元の種類 $1 には別のライブラリが必要です'],
  [/^open the node's settings and save them$/, 'ノードの設定を開いて保存してください'],
  [
    /^say which dataset of here it is: (jikko knowledge map .+)$/s,
    'このサーバーのどのデータセットかを指定してください: $1',
  ],
  [/^or whose encrypted ids to understand: (.+)$/s, 'または暗号化された ID の持ち主を指定してください: $1'],
  [
    /^the dataset (.+) is not here, so that the node finds nothing in it$/s,
    'データセット $1 がないため、このノードでは何も見つかりません',
  ],
  [/^this agent cannot be run by Jikko$/, 'このエージェントは実行できません'],
  [
    /^the parameter (.+) of the agent is required, and nothing is given for it$/s,
    'エージェントの必須パラメーター $1 が指定されていません',
  ],
  [
    /^the parameter (.+) of the tool (.+) is required, and nothing is given for it$/s,
    'ツール $2 の必須パラメーター $1 が指定されていません',
  ],
  [/^fill it in$/, '入力してください'],
  [
    /^the tool (.+) has no parameter (.+), so that it is null \(it has (.*)\)$/s,
    'ツール $1 にパラメーター $2 はなく、値は null になります（あるもの: $3）',
  ],
  [/^(.+) cannot be run by Jikko$/s, '$1 は実行できません'],
  [
    /^(.+) starts no run here: the API does, and what the node gives is null then$/s,
    '$1 からは実行が始まりません。API から開始し、このノードの値は null になります',
  ],
  [/^is mocked, and fails so: (.+)$/s, 'モックされていて、次のように失敗します: $1'],
  [/^the template cannot be read: it is nested too deeply$/, 'テンプレートを読めません: 入れ子が深すぎます'],
  [/^the template cannot be read: (.*) \(line (\d+) of it\)$/s, 'テンプレートを読めません: $1（$2 行目）'],
  [/^no model is chosen in this node$/, 'このノードでモデルが選ばれていません'],
  [/^choose one$/, '選んでください'],
  [/^enter it in the node$/, 'ノードに入力してください'],
  [/^give the environment variable (.+) a value$/s, '環境変数 $1 に値を設定してください'],
  [/^API key is required for authorization but was empty$/, '認証に API キーが必要ですが、空です'],
  [
    /^a human-input node cannot stand inside an iteration or a loop$/,
    '人による入力のノードは、反復やループの中に置けません',
  ],
  [/^ask in front of it$/, 'その前で入力を求めてください'],
  [
    /^the form cannot be submitted over the API, and the run waits until its time is up$/,
    'このフォームには API から回答できず、期限まで実行が待機します',
  ],
  [/^switch on the delivery method 'webapp'$/, "配信方法 'webapp' を有効にしてください"],
  [
    /^(.+) in input form must be one of the following: \[\], so no value will do$/s,
    '入力項目 $1 に選択肢がないため、どの値も受け付けられません',
  ],
  [/^give the selection options$/, '選択肢を設定してください'],
  [/^choose a variable that there is$/, '存在する変数を選んでください'],
  [/^Invalid iterator value (.+): expected an array$/s, '反復する値 $1 が配列ではありません'],
  [/^Iterator variable (.+) not found$/s, '反復する変数 $1 がありません'],
  [/^Variable (.+) is not a list that can be worked on$/s, '変数 $1 は扱えるリストではありません'],
  [/^Variable not found for selector: (.+)$/s, '変数 $1 がありません'],
  [/^Type is not JSON serializable: File$/, 'ファイルは JSON にできません'],
  [
    /^templates take lists of files, and parts of a file such as its name$/,
    'テンプレートに渡せるのは、ファイルのリストか、名前などファイルの一部です',
  ],
  [/^Variable (.+) is not an ArrayFileSegment$/s, '変数 $1 はファイルのリストではありません'],
  [/^File variable not found for selector: (.+)$/s, 'ファイルの変数 $1 がありません'],
  [/^Variable (.+) not found$/s, '変数 $1 がありません'],
  [/^assigned variable not found$/, '代入先の変数がありません'],
  [/^input value not found$/, '入力の値がありません'],
  [/^name one in the providers file: (.+)$/s, '提供元のファイルで指定してください: $1'],
  [/^questions are refused, as they cannot be moderated by (.+)$/s, '$1 では監視できないため、質問は拒否されます'],
  [
    /^choose 'keywords', 'api' or 'openai_moderation'$/,
    "'keywords'、'api'、'openai_moderation' のいずれかを選んでください",
  ],
  [/^enter the address of the request$/, 'リクエストのアドレスを入力してください'],
  [/^url is required$/, 'URL が必要です'],
  [/^url should start with http:\/\/ or https:\/\/$/, 'URL は http:// または https:// で始まる必要があります'],
  [
    /^(.+) looks like the name of a private address, which may not be reached$/s,
    '$1 は内部のアドレスの名前のようで、接続できません',
  ],
  [/^(\S+) opens addresses$/, '$1 でアドレスへの接続を許可できます'],
  [/^runs go on, as the node has an error strategy$/, 'ノードにエラー時の処理があるため、実行は続きます'],
  [/^not every run comes to it$/, 'すべての実行がここに来るわけではありません'],
  [
    /^runs go on, as the iteration around it goes on after failed rounds$/,
    '反復が失敗したラウンドの後も続くため、実行は続きます',
  ],
  [/^the secret environment variable (.+) is empty$/s, '秘密の環境変数 $1 が空です'],
  [/^exports leave secrets out: (.+)$/s, '書き出したファイルに秘密の値は含まれません。$1'],
  [/^set (\S+), or use (.+)$/s, '$1 を設定するか、$2 を使ってください'],
  [
    /^replace the node by (.+), or give it a default value on error$/s,
    '$1に置き換えるか、エラー時の既定値を設定してください',
  ],
  [/^nodes that Jikko has$/, '対応しているノード'],
  [
    /^an LLM node, with an HTTP Request or Code node for each of its tools$/,
    'LLM ノードと、ツールごとの HTTP リクエストノードまたはコードノード',
  ],
  [/^it is of the type (.+): choose (.+)$/s, '型は $1 です。$2を選んでください'],
  [/^another comparison$/, '別の比較'],
  [/^a list$/, 'リスト'],
  [/^a file or a list of files$/, 'ファイルかファイルのリスト'],
  [/^no default model is set up for it, so (.+)$/s, '既定のモデルがないため、$1'],
  [/^no questions are suggested$/, '質問は提案されません'],
  [/^recordings are refused$/, '録音は受け付けられません'],
  [/^nothing is spoken$/, '読み上げは行われません'],
  [/^no model is set up that moderates the app(.*)$/s, 'アプリを監視するモデルが設定されていません$1'],
  [/^, so that every question is refused$/, '。質問はすべて拒否されます'],
  [/^, so that answers are not moderated$/, '。回答は監視されません'],
  [/^The host "(.+)" may not be reached through a proxy$/, 'ホスト $1 にプロキシー経由で接続することはできません'],
  [/^the package (.+) cannot be used by programs: (.+)$/s, 'パッケージ $1 はプログラムでは使えません: $2'],
  [/^it is not installed for programs$/, 'プログラム用にインストールされていません'],
  [/^`jikko packages install (.+)` installs it$/, '`jikko packages install $1` で入れられます'],
  [/^the program cannot use the network$/, 'プログラムはネットワークを使えません'],
  [
    /^call the service from an HTTP Request node and pass its answer in$/,
    'HTTP リクエストノードで呼び出し、その応答を渡してください',
  ],
  [/^the program cannot read or write files$/, 'プログラムはファイルを読み書きできません'],
  [
    /^pass the file in as an input, and read its text with a Document Extractor node$/,
    'ファイルは入力として渡し、テキスト抽出ノードで読んでください',
  ],
  [/^the program cannot start threads$/, 'プログラムはスレッドを使えません'],
  [
    /^do the work in turn, or in an Iteration node in parallel mode$/,
    '順番に処理するか、並列モードの反復ノードを使ってください',
  ],
  [/^the program cannot start other processes$/, 'プログラムは他のプロセスを起動できません'],
  [
    /^call a service that does from an HTTP Request node$/,
    'それを行うサービスを HTTP リクエストノードから呼び出してください',
  ],
  [
    /^programs have the language itself and no modules$/,
    'プログラムで使えるのは言語そのものだけで、モジュールは使えません',
  ],
  [
    /^do the work with it, or call a service from an HTTP Request node$/,
    '言語だけで処理するか、HTTP リクエストノードからサービスを呼び出してください',
  ],
  [
    /^this HTTP client cannot be imported, as it opens connections$/,
    'この HTTP クライアントは自分で接続を開くため読み込めません',
  ],
  [
    /^use requests or httpx, whose requests the server makes, or an HTTP Request node$/,
    'サーバーがリクエストを代行する requests か httpx、または HTTP リクエストノードを使ってください',
  ],
  [
    /^this part of the standard library is not available to programs, which have no screen or disk$/,
    '画面もディスクもないプログラムでは、標準ライブラリのこの部分は使えません',
  ],
  [/^will fail at node "(.+?)"(?: \(line \d+\))?: (.+)$/s, 'ノード「$1」で必ず失敗します: $2'],
  [/^may fail at node "(.+?)"(?: \(line \d+\))?: (.+)$/s, 'ノード「$1」で失敗する可能性があります: $2'],
  [/^will fail: (.+)$/s, '必ず失敗します: $1'],
  [/^may fail: (.+)$/s, '失敗する可能性があります: $1'],
]

/** Of what is to be mended: the machine, what is set, providers, call-backs. */
const MENDING: readonly Sentence[] = [
  [
    /^(\d+) call-backs? (?:was|were) given up, the last to (.+?): (.+)$/s,
    '$1 件のコールバックを配信できませんでした。最後は $2: $3',
  ],
  [/^(\d+) call-backs? (?:was|were) given up$/, '$1 件のコールバックを配信できませんでした'],
  [
    /^(.+): all of (\d+) requests of the last hour failed: (.*)$/s,
    '$1: 直近 1 時間のリクエスト $2 件がすべて失敗しました（$3）',
  ],
  [
    /^(.+) answered 429 to (\d+) of (\d+) requests of the last hour$/s,
    '$1 は直近 1 時間のリクエスト $3 件中 $2 件に 429 を返しました',
  ],
  [/^the environment variable (\S+) is not set$/, '環境変数 $1 が設定されていません'],
  [/^(.+): the environment variable (\S+) is not set$/s, '$1: 環境変数 $2 が設定されていません'],
  [/^set (\S+) and start the server again$/, '$1 を設定し、サーバーを再起動してください'],
  [/^(\S+) is not installed$/, '$1 がインストールされていません'],
  [/^(.+): (\S+) is not installed$/s, '$1: $2 がインストールされていません'],
  [/^lower requests_per_minute in its entry$/, '設定の requests_per_minute を下げてください'],
  [/^let Jikko wait instead$/, '代わりに Jikko に待たせることができます'],
  [/^add what its limit is to its entry:$/, 'その項目に上限を追加:'],
  [/^mend the file that JIKKO_PROVIDERS names$/, 'JIKKO_PROVIDERS が示すファイルを直してください'],
  [/^(.+) is no folder$/s, '$1 はフォルダーではありません'],
  [/^name another with JIKKO_HOME or --home$/, 'JIKKO_HOME または --home で別のものを指定してください'],
  [/^name another folder with JIKKO_HOME or --home$/, 'JIKKO_HOME または --home で別のフォルダーを指定してください'],
  [
    /^(.+) cannot be made: this user may not write to (.+)$/s,
    '$1 を作成できません。このユーザーは $2 に書き込めません',
  ],
  [/^this user may not write to (.+)$/s, 'このユーザーは $1 に書き込めません'],
  [/^give it to this user \(chown\), or (.+)$/s, '所有者をこのユーザーに変えてください（chown）。または、$1'],
  [/^(.+?): (.+) belongs? to another user$/s, '$1: $2 の所有者は別のユーザーです'],
  [
    /^run Jikko as one user, or give it all to this one: (chown .+)$/s,
    'Jikko を一人のユーザーで動かすか、すべての所有者をこのユーザーに変えてください: $1',
  ],
  [/^others may look into (.+) \(mode (\d+)\): (chmod .+)$/s, '$1 は他のユーザーから見えます（モード $2）: $3'],
  [/^the disk of (.+) cannot be looked at: (.+)$/s, '$1 のディスクを調べられません: $2'],
  [/^(.+) free of (.+)$/, '$2 中 $1 の空き'],
  [
    /^free some, remove old runs \((.+?)\), or have the data folder on another disk \(JIKKO_HOME\)$/s,
    '空きを増やすか、古い実行を削除するか（$1）、データフォルダーを別のディスクに置いてください（JIKKO_HOME）',
  ],
  [
    /^at most ([\d,]+): each connection and each request of a workflow takes one$/,
    '最大 $1: 接続とワークフローのリクエストごとに 1 つ使います',
  ],
  [/^raise the hard limit \((.+)\)$/s, 'ハードリミットを上げてください（$1）'],
  [/^(.+), not locked \(JIKKO_PLUGINS_CONFINE\)$/, '$1、隔離されていません（JIKKO_PLUGINS_CONFINE）'],
  [/^(.+), and none starts: this kernel has no Landlock$/, '$1、カーネルに Landlock がないため、どれも起動しません'],
  [/^(.+), locked by Landlock (\d+)$/, '$1、Landlock $2 で隔離'],
  [/^it cannot keep them to the gate, which takes Linux 6\.7$/, '接続先を制限できません（Linux 6.7 が必要です）'],
  [/^faked \(JIKKO_FAKE_MODELS\): every answer is made up$/, '偽のモデル（JIKKO_FAKE_MODELS）: 回答はすべて作り物です'],
  [
    /^mocked \(JIKKO_MOCKS\): those that it names do not run$/,
    'モック（JIKKO_MOCKS）: 指定されたノードは実行されません',
  ],
  [/^not set: (.+)$/s, '未設定: $1'],
  [/^Jikko was tested with (.+) only$/, 'Jikko が確認済みなのは $1 だけです'],
  [
    /^whether code nodes run is what the lines about the sandbox say$/,
    'コードノードが動くかどうかはサンドボックスの確認結果を見てください',
  ],
  [/^(.+) (?:is|are) missing$/, '$1 がありません'],
  [/^not installed$/, 'インストールされていません'],
  [/^for (.+): (.+)$/s, '用途: $1（$2）'],
  [/^models of providers of type anthropic$/, '種類 anthropic の提供元のモデル'],
  [/^old runs in a bucket, and out of the database$/, '古い実行をデータベースからバケットへ移すこと'],
  [
    /^the record in PostgreSQL, files in a bucket, and several servers$/,
    'PostgreSQL の記録、バケットのファイル、複数のサーバー',
  ],
  [/^the text of PDF, Word, Excel, PowerPoint and other documents$/, 'PDF、Word、Excel、PowerPoint などのテキスト'],
  [
    /^searching datasets by vectors, Chinese and Japanese words, and encrypted ids of datasets$/,
    'データセットのベクトル検索、中国語と日本語の単語、暗号化されたデータセットの ID',
  ],
  [/^models that run in this process, of type llama_cpp$/, 'このプロセスで動くモデル（llama_cpp）'],
  [/^tools of MCP servers$/, 'MCP サーバーのツール'],
  [/^sending traces by OpenTelemetry$/, 'OpenTelemetry によるトレースの送信'],
  [/^installing Dify's plugins$/, 'Dify のプラグインのインストール'],
  [
    /^a small model in this process that makes vectors, of type wordllama$/,
    'このプロセスでベクトルを作る小さなモデル（wordllama）',
  ],
]

/** Of the sandbox: what is tried, and what came of it. */
const SANDBOX: readonly Sentence[] = [
  [/^fork server$/, 'フォークサーバー'],
  [/^packages$/, 'パッケージ'],
  [/^machine$/, 'マシン'],
  [/^platform$/, '環境'],
  [/^write$/, '書き込み'],
  [/^sandbox$/, 'サンドボックス'],
  [/^locking a child$/, '子プロセスの隔離'],
  [/^answering$/, '応答'],
  [/^no sockets$/, 'ソケットは使えない'],
  [/^no files$/, 'ファイルは開けない'],
  [/^no forks$/, 'プロセスは増やせない'],
  [/^no other programs$/, '他のプログラムは実行できない'],
  [/^no executable memory$/, '実行可能なメモリは作れない'],
  [/^no shared memory$/, '共有メモリは作れない'],
  [/^no tracing$/, '他プロセスの追跡はできない'],
  [/^no change of its filter$/, 'フィルターは変えられない'],
  [/^no change of its limits$/, '上限は変えられない'],
  [/^no other namespaces$/, '名前空間は作れない'],
  [/^no io_uring$/, 'io_uring は使えない'],
  [/^no x32 calls$/, 'x32 の呼び出しはできない'],
  [/^no signals to the fork server$/, 'フォークサーバーにシグナルを送れない'],
  [/^no inherited files$/, '引き継いだファイルはない'],
  [/^no superuser$/, '管理者権限はない'],
  [/^open: (.+)$/, '開いているもの: $1'],
  [/^it was allowed$/, '許可されてしまいました'],
  [/^no such call on this machine$/, 'このマシンにその呼び出しはありません'],
  [/^the child ended otherwise: (.+)$/s, '子プロセスは別の理由で終了しました: $1'],
  [/^the child did not answer \((.+)\)$/s, '子プロセスから応答がありません（$1）'],
  [/^started in ([\d.]+) s as uid (\d+)$/, '$1 s で起動、uid $2'],
  [/^it died while it was tested$/, '確認中に終了しました'],
  [/^version (\d+)$/, 'バージョン $1'],
  [/^the kernel has none$/, 'カーネルにありません'],
  [/^seccomp holds without it, as one line less$/, 'なくても seccomp が守りますが、守りが一つ減ります'],
  [/^(\d+) packages$/, '$1 個のパッケージ'],
  [/^these cannot be imported: (.+)$/s, '次のものは読み込めません: $1'],
  [/^none$/, 'なし'],
  [
    /^`jikko packages install` installs libraries for code nodes$/,
    '`jikko packages install` でコードノード用のライブラリを入れられます',
  ],
  [/^runs$/, '動作します'],
  [/^gave (.+)$/s, '結果が違います: $1'],
  [/^a transaction was committed$/, '書き込みが完了しました'],
  [/^code and template nodes need Linux$/, 'コードノードとテンプレートノードには Linux が必要です'],
  [/^run the container image of Jikko on this machine$/, 'このマシンでは Jikko のコンテナイメージを使ってください'],
  [
    /^code and template nodes need a machine of type (.+), not (\S+)$/s,
    'コードノードとテンプレートノードには $1 のマシンが必要です（現在は $2）',
  ],
]

const ALL = [...FINDINGS, ...MENDING, ...SANDBOX, ...DOCUMENTS]

function known(text: string, of: readonly Sentence[]): string | undefined {
  for (const [says, words] of of) {
    const found = says.exec(text)
    if (found) return words.replace(/\$(\d)/g, (_, place: string) => within(found[Number(place)] ?? ''))
  }
  return undefined
}

/** What a sentence is about may be a sentence itself, of several clauses. */
function within(text: string): string {
  if (!text.includes(' ')) return text
  return known(text, ALL) ?? (text.includes('; ') ? text.split('; ').map(clause).join('；') : text)
}

const clause = (text: string): string => known(text, ALL) ?? within(text)

/** A sentence of the server about a file, itself or the sandbox, in Japanese where it is known. */
export function sentence(text: string): string {
  return language() === 'ja' ? clause(text) : text
}
