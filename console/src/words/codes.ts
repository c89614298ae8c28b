// What the server says, in Japanese, by the code or the kind that goes with it. The server's own words are English: they
// stand behind, because they name what it is about; of what is not listed here they stand alone.
import { language, t } from './words.ts'

/** By the `code` of an error of the API. `tests/http/console/test_codes.py` holds this against the server's. */
export const CODES: Readonly<Record<string, string>> = {
  ambiguous_id: 'ID が一意に決まりません',
  answer_changed: '障害の後、回答が表示済みのものから変わりました',
  app_unavailable: 'このアプリは利用できません',
  archived_document_immutable: 'アーカイブ済みのドキュメントは変更できません',
  audio_too_large: '音声ファイルが大きすぎます',
  bad_request: 'リクエストを解釈できません',
  bad_request_key_error: 'フォームのフィールドがありません',
  completion_request_error: 'モデルへの問い合わせに失敗しました',
  conflict: '以前の操作と矛盾します',
  conversation_not_found: '会話が見つかりません',
  dataset_name_duplicate: '同じ名前のデータセットがあります',
  end_user_not_found: 'そのユーザーはいません',
  file_access_denied: 'このファイルにはアクセスできません',
  file_extension_blocked: 'この拡張子のファイルは受け付けません',
  file_not_found: 'ファイルが見つかりません',
  file_too_large: 'ファイルが大きすぎます',
  filename_not_exists_error: 'ファイル名がありません',
  forbidden: '許可されていません',
  form_closed: 'このフォームは締め切られています',
  human_input_form_expired: 'このフォームは期限切れです',
  human_input_form_submitted: 'このフォームは回答済みです',
  internal_server_error: 'サーバーで問題が発生しました',
  invalid_action: 'このフォームにその選択肢はありません',
  invalid_environment: '環境変数の値が正しくありません',
  invalid_form_data: 'フォームの入力が正しくありません',
  invalid_metadata: 'メタデータが正しくありません',
  invalid_param: '入力が正しくありません',
  invalid_settings: '設定が正しくありません',
  method_not_allowed: 'この操作はできません',
  no_audio_uploaded: '音声ファイルがありません',
  no_file_uploaded: 'ファイルがありません',
  not_chat_app: 'チャットフローではありません',
  not_found: '見つかりません',
  not_workflow_app: 'ワークフローではありません',
  missing_scope: 'この操作の権限がありません',
  plugin_refused: 'プラグインが拒否しました',
  provider_not_initialize: 'モデルの提供元が設定されていません',
  provider_not_support_speech_to_text: 'この提供元は音声認識に対応していません',
  rate_limit_error: '利用制限に達しました',
  request_entity_too_large: '送信された内容が大きすぎます',
  request_timeout: '送信が遅すぎます。もう一度お試しください',
  run_failed: '実行は失敗しました',
  service_unavailable: '今は利用できません。しばらくしてからもう一度お試しください',
  share_over: 'このリンクは使えません',
  shares_off: '共有は無効です',
  too_many_files: 'ファイルが多すぎます',
  too_many_requests: '回数の上限に達しました。しばらくしてからもう一度お試しください',
  unauthorized: 'サインインしていないか、セッションが終了しました',
  unsupported_audio_type: 'この形式の音声は使えません',
  unsupported_file_type: 'この種類のファイルは使えません',
  unsupported_media_type: 'この形式の内容は受け付けません',
  version_changed: '別のバージョンが現在のバージョンになっています',
  wrong_host: 'このサーバーのアドレスではありません',
  wrong_origin: '別のサイトからの操作は受け付けません',
}

/** By the kind of the failure of a node. */
export const KINDS: Readonly<Record<string, string>> = {
  AuthorizationConfigError: '認証の設定の誤り',
  CodeExecutionError: 'コードの実行エラー',
  FileFetchError: 'ファイルを取得できません',
  HTTPError: 'HTTP エラー',
  HttpRequestNodeError: 'HTTP リクエストのエラー',
  InvalidHttpMethodError: 'HTTP メソッドの誤り',
  InvalidIteratorValueError: '反復する値が配列ではありません',
  InvalidURLError: 'URL の誤り',
  InvalidVariableTypeError: '変数の型の誤り',
  InvokeAuthorizationError: 'モデルの認証エラー',
  InvokeBadRequestError: 'モデルがリクエストを拒否しました',
  InvokeConnectionError: 'モデルに接続できません',
  InvokeRateLimitError: 'モデルの利用制限',
  InvokeServerUnavailableError: 'モデルのサーバーが利用できません',
  IterationNodeError: '反復のエラー',
  IteratorVariableNotFoundError: '反復する変数がありません',
  LLMModeRequiredError: 'モデルのモードの誤り',
  LLMNodeError: 'LLM のエラー',
  LoopNodeError: 'ループのエラー',
  MemoryRolePrefixRequiredError: 'メモリーの role_prefix がありません',
  ModelNotExistError: 'モデルがありません',
  NoPromptFoundError: 'プロンプトがありません',
  OutputValidationError: '出力の検証エラー',
  RequestBodyError: 'リクエスト本文の誤り',
  ResponseSizeError: '応答が大きすぎます',
  SandboxLimitError: 'サンドボックスの上限',
  SandboxUnavailableError: 'サンドボックスが利用できません',
  TextTooLongError: 'テキストが長すぎます',
  ToolParameterError: 'ツールのパラメーターの誤り',
  ToolRuntimeInvocationError: 'ツールの実行エラー',
  ToolRuntimeResolutionError: 'ツールが見つかりません',
  UnsupportedNodeError: '対応していないノード',
  VariableNotFoundError: '変数がありません',
  WorkflowNodeError: 'ワークフローノードのエラー',
}

/** Why a run ended, as the record has it; of one that was stopped, in Japanese behind that it was. */
export const ending = (status: string, text: string): string =>
  language() === 'ja' && status === 'stopped' ? `${t('status.stopped')}（${text}）` : text

/** What an error of the server says: its words, in Japanese behind what its code means. */
export function told(code: string, message: string): string {
  const meaning = language() === 'ja' ? CODES[code] : undefined
  if (!meaning) return message
  return message ? `${meaning}（${message}）` : meaning
}

/** The kind of a failure: the server's name of it, in Japanese behind what it means. */
export function kindName(kind: string): string {
  const meaning = language() === 'ja' ? KINDS[kind] : undefined
  return meaning ? `${meaning}（${kind}）` : kind
}
