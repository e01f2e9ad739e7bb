#pragma once

#include "CoreMinimal.h"
#include "Widgets/SBoxPanel.h"

class SButton : public SWidget
{
public:
	struct FArguments
	{
		FArguments& Text(const FText& Value);
		template <typename Function>
		FArguments& OnClicked_Lambda(Function&& Clicked)
		{
			static_assert(std::is_same_v<std::invoke_result_t<Function>, FReply>);
			return *this;
		}
		operator TSharedRef<SButton>() const;
	};
};
