" Written by `python -m tools.vim_syntax` from the vocabulary of alexc.
if exists('b:current_syntax')
  finish
endif
syntax case match
syntax sync minlines=1
syntax match alexcPunctuation '\v%([{}(),:])\ze'
syntax match alexcOperator '\v%(-\>|\.\.|\=)\ze'
syntax match alexcNumber '\v%([+-]?%([0-9]+%(\.[0-9]+)?|\.[0-9]+)%([eE][+-]?[0-9]+)?%([[:alnum:]_.])@!)\ze'
syntax match alexcNumber '\v%(%([[:alnum:]_.])@<![0-9]+%(x[0-9]+)+%(\w)@!)\ze'
syntax match alexcName '\v%([[:alpha:]_]\w*%(\.[[:alpha:]_]\w*)*)\ze'
syntax match alexcKind '\v%([[:alnum:]_.])@<!%(binary_cross_entropy|discrete_exponential|random_resized_crop|adaptive_avgpool|stochastic_depth|channel_shuffle|global_avgpool|global_maxpool|cross_entropy|color_jitter|scaled_crops|center_crop|exponential|hardsigmoid|layer_scale|random_crop|tree_linear|clip_value|leaky_relu|log_square|milestones|polynomial|batchnorm|clip_norm|grid_crop|hardswish|layernorm|normalize|pca_color|subsample|constant|multiply|softplus|subtract|ten_crop|avgpool|dropout|flatten|float32|inverse|maximum|maxpool|plateau|reached|sigmoid|softmax|stalled|affine|center|concat|cosine|cutout|freeze|linear|mirror|resize|square|adamw|local|power|prelu|relu6|reorg|slice|widen|adam|bf16|blur|conv|flip|fp16|gelu|mish|relu|silu|slow|sqrt|step|tanh|abs|add|elu|ema|log|lrn|sgd)\ze%([[:alnum:]_.])@!'
syntax match alexcChoice '\v%(\=)@<=%(train_error|eigenvalue|mean_color|mean_image|train_loss|val_error|constant|nesterov|val_loss|kaiming|uniform|center|normal|stddev|xavier|cross|floor|lecun|paper|torch|tower|train|ceil|crop|mean|none|same|test|all|map|row|sum|yes|no)\ze%([[:alnum:]_.])@!'
syntax match alexcDistribution '\v%([[:alnum:]_.])@<!%(iterations|constant|kaiming|parents|uniform|epochs|normal|pixels|values|xavier|lecun|sides|rgb)\ze%(\()@='
syntax match alexcDistribution '\v%(\=)@<=%(constant|kaiming|uniform|normal|xavier|lecun)\ze%([[:alnum:]_.])@!'
syntax match alexcArgument '\v%([[:alpha:]_]\w*%(\.[[:alpha:]_]\w*)*)\ze%([ \t]*\=)@='
syntax match alexcLabel '\v%([[:alpha:]_]\w*%(\.[[:alpha:]_]\w*)*)\ze%([ \t]*:)@='
syntax match alexcStatement '\v%([[:alnum:]_.])@<!%(by|in|on)\ze%([[:alnum:]_.])@!%([ \t]*%(:|\=|-\>))@!'
syntax match alexcStatement '\v%([[:alnum:]_.])@<!%(channels|images)\ze%([ \t]+by%(<|>))@='
syntax match alexcStatement '\v%([[:alnum:]_.])@<!%(input)\ze%([[:alnum:]_.])@!%([ \t]*[:=])@!'
syntax match alexcStatement '\v%(^[ \t]*)@<=%(bias_schedule|iterations|gradients|optimizer|precision|schedule|augment|average|default|prepare|without|before|epochs|layers|repeat|towers|after|batch|every|split|keep|loss|mesh|send|stop|test)\ze%([[:alnum:]_.])@!%([ \t]*%(:|\=|-\>))@!'
syntax match alexcHeading '\v%(<|>)%(placement|extends|network|block|train)\ze%([[:alnum:]_.])@!%([ \t]*%(:|\=|-\>))@!'
syntax match alexcDeclared '\v%(%(<|>)%(placement|network|block|train)[ \t]+)@<=%([[:alpha:]_]\w*%(\.[[:alpha:]_]\w*)*)\ze%([ \t]*%(\(|\{|extends%(<|>)|$))@='
syntax match alexcHeading '\v%(<|>)%(placement|network|block|train)\ze[ \t]+%([[:alpha:]_]\w*%(\.[[:alpha:]_]\w*)*)%([ \t]*%(\(|\{|extends%(<|>)|$))@='
syntax match alexcPath '\v%("[^"]*")\ze'
syntax match alexcComment '\v%(#.*)\ze'
highlight default link alexcComment Comment
highlight default link alexcPath String
highlight default link alexcHeading Structure
highlight default link alexcDeclared Type
highlight default link alexcStatement Statement
highlight default link alexcKind Function
highlight default link alexcDistribution Special
highlight default link alexcChoice Constant
highlight default link alexcLabel Label
highlight default link alexcArgument Identifier
highlight default link alexcNumber Number
highlight default link alexcOperator Operator
highlight default link alexcPunctuation Delimiter
let b:current_syntax = 'alexc-net'
