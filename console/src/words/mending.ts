// What is to be mended, in Japanese: see `sentences.ts`.
import type { Sentence } from './sentences.ts'

/** Of what is to be mended: the machine, what is set, providers, call-backs. */
export const MENDING: readonly Sentence[] = [
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
  [
    /^it cannot keep them from other ports of this machine, which takes Linux 6\.7$/,
    'このマシンの他のポートへの接続を制限できません（Linux 6.7 が必要です）',
  ],
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
